// A thread crashes with a lock that others wait for, while main() joins it: they do not go on. It
// is the first one, which runs away from main().
#include <unistd.h>

#include "in_threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t locked;
static int* volatile none;

static void* run(void* given) {
  const intptr_t number = (intptr_t)given;
  if (number == 0) pthread_mutex_lock(&mutex);
  pthread_barrier_wait(&locked);
  if (number == 0) {
    usleep(20000);
    *none = 1;
  }
  pthread_mutex_lock(&mutex);
  printf("thread %d has the lock of the dead\n", (int)number);
  fflush(stdout);
  return NULL;
}

int main(void) {
  puts("before");
  fflush(stdout);
  pthread_barrier_init(&locked, NULL, 3);
  pthread_t threads[3];
  for (intptr_t i = 0; i < 3; ++i) must(pthread_create(&threads[i], NULL, run, (void*)i));
  must(pthread_join(threads[0], NULL));
  puts("main() has joined the dead");
}
