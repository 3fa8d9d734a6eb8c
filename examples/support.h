/* What the examples share: end with a sentence, and start one function in many threads. */
#ifndef EXAMPLES_SUPPORT_H
#define EXAMPLES_SUPPORT_H

#include <gallocy/gallocy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(call)                                                                        \
  do {                                                                                     \
    if (!(call)) {                                                                         \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, gallocy_last_error()); \
      exit(1);                                                                             \
    }                                                                                      \
  } while (0)

/* A number from the command line, `otherwise` if it is not there. */
static inline long argument(int argc, char** argv, int index, long otherwise, long least) {
  if (index >= argc) return otherwise;
  char* end;
  const long number = strtol(argv[index], &end, 10);
  if (*end == '\0' && number >= least) return number;
  fprintf(stderr, "%s: not a number of at least %ld: %s\n", argv[0], least, argv[index]);
  exit(64);
}

/* Shared memory that begins on a page, so that nobody else's data lies on its pages. */
static inline void* pages(size_t size_bytes) {
  void* block = gallocy_aligned_alloc(4096, (size_bytes + 4095) & ~(size_t)4095);
  CHECK(block != NULL);
  memset(block, 0, size_bytes);
  return block;
}

struct part { /* what each thread is told; in shared memory */
  int index, count;
  void* job;
};

static inline double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_seconds; /* what run_all took */

/* Runs work(part) in `count` threads, a like number on every node, and waits for all. */
static inline void run_all(int count, void* (*work)(void*), void* job) {
  struct part* parts = gallocy_calloc((size_t)count, sizeof *parts);
  pthread_t* threads = malloc((size_t)count * sizeof *threads);
  CHECK(parts != NULL && threads != NULL);
  const double began = now_seconds();
  for (int i = 0; i < count; ++i) {
    parts[i] = (struct part){i, count, job};
    /* Neighbours in index are on one node: they share more than others do. */
    const int node = (int)((long)i * gallocy_node_count() / count);
    CHECK(gallocy_pthread_create_on(&threads[i], NULL, work, &parts[i], node) == 0);
  }
  for (int i = 0; i < count; ++i) CHECK(gallocy_pthread_join(threads[i], NULL) == 0);
  run_seconds = now_seconds() - began;
  free(threads);
  gallocy_free(parts);
}

/* The first and one past the last of `total` things that are this part's. */
static inline long begin_of(const struct part* part, long total) {
  return total * part->index / part->count;
}
static inline long end_of(const struct part* part, long total) {
  return total * (part->index + 1) / part->count;
}

/* The same pseudo-random numbers everywhere (splitmix64). */
static inline uint64_t next_random(uint64_t* state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

#endif
