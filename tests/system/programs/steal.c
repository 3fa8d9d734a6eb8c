// Two nodes take one page from each other as fast as they can, each counting in a word of its
// own, and both add to a number that lies across a page border and so needs two pages at once.
#include <stdint.h>

#include "support.h"

struct shared {
  volatile uint64_t* own[2];
  char* border;  // 8 bytes, 4 on each of two pages
  pthread_mutex_t* lock;
  int rounds;
};
struct job {
  struct shared* shared;
  int side;
};

static void* work(void* argument) {
  struct job* job = argument;
  struct shared* shared = job->shared;
  uint64_t seen = 0;
  for (int i = 1; i <= shared->rounds; ++i) {
    *shared->own[job->side] = *shared->own[job->side] + 1;
    // Only this thread writes its word, and the other's never goes back.
    REQUIRE(*shared->own[job->side] == (uint64_t)i);
    uint64_t other = *shared->own[1 - job->side];
    REQUIRE(other >= seen && other <= (uint64_t)shared->rounds);
    seen = other;
  }
  // One unaligned load and one unaligned store: single instructions that touch both pages.
  for (int i = 0; i < shared->rounds / 10; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(shared->lock) == 0);
    uint64_t value;
    memcpy(&value, shared->border, sizeof value);
    ++value;
    memcpy(shared->border, &value, sizeof value);
    REQUIRE(gallocy_pthread_mutex_unlock(shared->lock) == 0);
  }
  return NULL;
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_node_count() >= 2);
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  char* pages = page_aligned(3);
  memset(pages, 0, 3 * PAGE);
  shared->own[0] = (volatile uint64_t*)pages;
  shared->own[1] = (volatile uint64_t*)(pages + 64);
  shared->border = pages + 2 * PAGE - 4;
  shared->lock = gallocy_malloc(sizeof *shared->lock);
  shared->rounds = argc > 1 ? atoi(argv[1]) : 2000;
  REQUIRE(gallocy_pthread_mutex_init(shared->lock, NULL) == 0);
  struct job* jobs = gallocy_calloc(2, sizeof *jobs);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    jobs[i] = (struct job){shared, i};
    REQUIRE(gallocy_pthread_create_on(&threads[i], NULL, work, &jobs[i], i) == 0);
  }
  for (int i = 0; i < 2; ++i) REQUIRE(gallocy_pthread_join(threads[i], NULL) == 0);
  uint64_t value;
  memcpy(&value, shared->border, sizeof value);
  REQUIRE(value == 2 * (uint64_t)(shared->rounds / 10));
  for (int i = 0; i < 2; ++i) REQUIRE(*shared->own[i] == (uint64_t)shared->rounds);
  printf("OK\n");
  return 0;
}
