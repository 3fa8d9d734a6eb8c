// Threads on all nodes change an array under striped locks. Every cell holds a value that its
// stripe's rules determine, and every access checks it; in the end the sum is known.
#include <stdint.h>

#include "support.h"

enum { stripe_count = 8, cells_per_stripe = 600, thread_count = 8 };

struct shared {
  pthread_mutex_t* locks[stripe_count];
  uint64_t* cells;  // stripe s owns cells s, s + stripe_count, ...: stripes share every page
  uint64_t* changes;
  int rounds;
};

struct job {
  struct shared* shared;
  unsigned seed;
};

// All cells of a stripe are equal outside its lock; a writer adds one to each.
static void* work(void* argument) {
  struct job* job = argument;
  struct shared* shared = job->shared;
  unsigned seed = job->seed;
  uint64_t done = 0;
  for (int round = 0; round < shared->rounds; ++round) {
    unsigned stripe = next(&seed) % stripe_count;
    REQUIRE(gallocy_pthread_mutex_lock(shared->locks[stripe]) == 0);
    uint64_t* cell = shared->cells + stripe;
    uint64_t before = cell[0];
    if (next(&seed) % 4 == 0) {
      for (int i = 0; i < cells_per_stripe; ++i) {
        REQUIRE(cell[(size_t)i * stripe_count] == before);
        cell[(size_t)i * stripe_count] = before + 1;
      }
      ++done;
    } else {
      for (int tries = 0; tries < 20; ++tries)
        REQUIRE(cell[(size_t)(next(&seed) % cells_per_stripe) * stripe_count] == before);
    }
    REQUIRE(gallocy_pthread_mutex_unlock(shared->locks[stripe]) == 0);
  }
  return (void*)done;
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  shared->cells = gallocy_calloc(stripe_count * cells_per_stripe, sizeof(uint64_t));
  shared->rounds = argc > 1 ? atoi(argv[1]) : 150;
  for (int i = 0; i < stripe_count; ++i) {
    shared->locks[i] = gallocy_malloc(sizeof(pthread_mutex_t));
    REQUIRE(gallocy_pthread_mutex_init(shared->locks[i], NULL) == 0);
  }
  pthread_t threads[thread_count];
  struct job* jobs = gallocy_calloc(thread_count, sizeof *jobs);
  for (int i = 0; i < thread_count; ++i) {
    jobs[i] = (struct job){shared, 77u + (unsigned)i};
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, work, &jobs[i]) == 0);
  }
  uint64_t expected = 0, found = 0;
  for (int i = 0; i < thread_count; ++i) {
    void* result = NULL;
    REQUIRE(gallocy_pthread_join(threads[i], &result) == 0);
    expected += (uint64_t)result;
  }
  for (int i = 0; i < stripe_count; ++i) {
    found += shared->cells[i];
    REQUIRE(gallocy_pthread_mutex_destroy(shared->locks[i]) == 0);
    gallocy_free(shared->locks[i]);
  }
  REQUIRE(found == expected && found > 0);
  printf("OK\n");
  return 0;
}
