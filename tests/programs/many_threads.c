// 1,000 short threads, ten at a time.
#include "in_threads.h"

static long results[1000];

static void* run(void* given) {
  char local[512];
  for (int i = 0; i < 512; ++i) local[i] = (char)i;
  long* next = malloc(64);
  *next = (intptr_t)given + local[100];
  free(next);
  return (void*)((intptr_t)given * 2 + local[3]);
}

int main(void) {
  for (intptr_t begin = 0; begin < 1000; begin += 10) {
    pthread_t threads[10];
    for (intptr_t i = 0; i < 10; ++i)
      must(pthread_create(&threads[i], NULL, run, (void*)(begin + i)));
    for (int i = 0; i < 10; ++i) {
      void* result;
      must(pthread_join(threads[i], &result));
      results[begin + i] = (intptr_t)result;
    }
  }
  long sum = 0;
  for (int i = 0; i < 1000; ++i) sum += results[i];
  printf("%ld\n", sum);
}
