// Pointers to thread-local variables, given to other threads while their owner lives.
#include <stdatomic.h>

#include "in_threads.h"

enum { thread_count = 6 };

static _Thread_local int own[64] = {1};
static _Thread_local int errors;
static int* owns[thread_count];
static pthread_barrier_t barrier;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < 64; ++i) own[i] += me * 100 + i;
  owns[me] = own;
  pthread_barrier_wait(&barrier);
  const int other = (me + 1) % thread_count;
  for (int i = 0; i < 64; ++i)
    if (owns[other][i] != other * 100 + i + (i == 0)) ++errors;
  pthread_barrier_wait(&barrier);
  owns[other][63] = -me;
  pthread_barrier_wait(&barrier);
  const int before = (me + thread_count - 1) % thread_count;
  if (own[63] != -before) ++errors;
  pthread_barrier_wait(&barrier);
  return (void*)(intptr_t)errors;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  pthread_t threads[thread_count];
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&threads[i], NULL, run, (void*)i));
  for (int i = 0; i < thread_count; ++i) {
    void* result;
    must(pthread_join(threads[i], &result));
    printf("%d: %d errors\n", i, (int)(intptr_t)result);
    for (int j = 0; j < i; ++j)
      if (owns[i] == owns[j]) printf("%d and %d have one variable\n", i, j);
  }
  pthread_barrier_destroy(&barrier);
  printf("%d\n", own[0]);
}
