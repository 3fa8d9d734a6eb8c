// What most programs here do: as many threads, each with its number, and wait for all.
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { thread_count_max = 64 };

static inline void must(int error) {
  if (error == 0) return;
  fprintf(stderr, "error %d\n", error);
  abort();
}

static inline void in_threads(int count, void* (*function)(void*)) {
  pthread_t threads[thread_count_max];
  for (intptr_t i = 0; i < count; ++i)
    must(pthread_create(&threads[i], NULL, function, (void*)i));
  for (int i = 0; i < count; ++i) must(pthread_join(threads[i], NULL));
}
