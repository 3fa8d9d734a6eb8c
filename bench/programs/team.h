/* What the kernels share: a barrier that all threads of a run meet at, and one way to end. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include "examples/support.h"

static inline pthread_barrier_t* new_barrier(long threads) {
  pthread_barrier_t* barrier = pages(sizeof *barrier);
  CHECK(gallocy_pthread_barrier_init(barrier, NULL, (unsigned)threads) == 0);
  return barrier;
}

static inline void meet(pthread_barrier_t* barrier) {
  const int status = gallocy_pthread_barrier_wait(barrier);
  CHECK(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
}

/* A number from 0 to 1. */
static inline double next_fraction(uint64_t* state) {
  return (double)(next_random(state) >> 11) / 9007199254740992.0;
}

/* `right`: what the threads computed is what one thread computed alone. For main() to return. */
static inline int verdict(const char* name, int right, long size, long threads) {
  if (!right) {
    printf("%s: not what one thread computes\n", name);
    return 1;
  }
  printf("%s: size %ld, %ld threads on %d nodes, %.6f s\nOK\n", name, size, threads,
         gallocy_node_count(), run_seconds);
  return 0;
}

#endif
