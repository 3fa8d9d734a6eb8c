// Programs that one of their threads ends while the others wait, which one their last word says: so
// each thread is the one once, and with it each node.
#pragma once

#include <stdatomic.h>
#include <unistd.h>

#include "in_threads.h"

static atomic_int are_all_made, ending_thread;

static inline int is_ending(const void* number) { return (intptr_t)number == ending_thread; }

// Its creator knows of each thread by then, and so does what counts them.
static inline void await_all(void) {
  while (!are_all_made) usleep(1000);
}

static inline void one_ends(const char* which, int count, void* (*function)(void*)) {
  pthread_t threads[thread_count_max];
  ending_thread = atoi(which);
  for (intptr_t i = 0; i < count; ++i)
    must(pthread_create(&threads[i], NULL, function, (void*)i));
  are_all_made = 1;
  for (int i = 0; i < count; ++i) must(pthread_join(threads[i], NULL));
}
