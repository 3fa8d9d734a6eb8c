/*
 * radix [KEYS [THREADS]]: sorts 32-bit keys by their four bytes, the lowest first. In each round
 * every thread counts the bytes of its run of keys, all learn all counts, and each then writes its
 * keys to where they belong: all over the other array, so that most pages have several writers.
 */
#include "bench/programs/team.h"

enum { DIGITS = 256, THREADS_MAX = 64 };

struct counts { /* of one thread, on pages of its own */
  _Alignas(4096) long of[DIGITS];
};

struct job {
  long count;
  uint32_t* keys[2]; /* round r reads keys[r % 2] and writes the other */
  struct counts* counts;
  pthread_barrier_t* barrier;
};

static unsigned digit(uint32_t key, int round) { return key >> 8 * round & 255; }

static void count_digits(const uint32_t* keys, long begin, long end, int round, long* counts) {
  memset(counts, 0, DIGITS * sizeof *counts);
  for (long i = begin; i < end; ++i) ++counts[digit(keys[i], round)];
}

/* Where the thread's first key of each digit goes: behind all lower digits, and behind those of
   the same digit that threads before it have. */
static void find_places(const struct counts* counts, long index, long threads, long* places) {
  long place = 0;
  for (int value = 0; value < DIGITS; ++value)
    for (long thread = 0; thread < threads; ++thread) {
      if (thread == index) places[value] = place;
      place += counts[thread].of[value];
    }
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  const long begin = begin_of(part, job->count), end = end_of(part, job->count);
  for (int round = 0; round < 4; ++round) {
    const uint32_t* const from = job->keys[round % 2];
    uint32_t* const to = job->keys[1 - round % 2];
    count_digits(from, begin, end, round, job->counts[part->index].of);
    meet(job->barrier);
    long places[DIGITS];
    find_places(job->counts, part->index, part->count, places);
    for (long i = begin; i < end; ++i) to[places[digit(from[i], round)]++] = from[i];
    meet(job->barrier);
  }
  return NULL;
}

static int by_value(const void* left, const void* right) {
  const uint32_t a = *(const uint32_t*)left, b = *(const uint32_t*)right;
  return (a > b) - (a < b);
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->count = argument(argc, argv, 1, 30000, 1);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  if (threads > THREADS_MAX) {
    fprintf(stderr, "radix: at most %d threads\n", THREADS_MAX);
    return 64;
  }
  const size_t size_bytes = (size_t)job->count * sizeof(uint32_t);
  for (int i = 0; i < 2; ++i) job->keys[i] = pages(size_bytes);
  job->counts = pages((size_t)threads * sizeof *job->counts);
  job->barrier = new_barrier(threads);
  uint32_t* alone = malloc(size_bytes);
  CHECK(alone != NULL);
  uint64_t state = 9;
  for (long i = 0; i < job->count; ++i)
    alone[i] = job->keys[0][i] = (uint32_t)next_random(&state);
  run_all((int)threads, work, job);
  qsort(alone, (size_t)job->count, sizeof *alone, by_value);
  return verdict("radix", memcmp(alone, job->keys[0], size_bytes) == 0, job->count, threads);
}
