// prefetch yes|no: each other node reads 4 MiB that node 0 has written, all of it prefetched or
// not. With one node there is nothing to fetch, and it reads it itself.
#include <errno.h>
#include <stdint.h>

#include "support.h"

enum { page_count = 1024, words_per_page = 4096 / sizeof(uint64_t) };

static uint64_t* words;  // of node 0
static int prefetches;

struct plan {
  uint64_t* words;
  int prefetches;
};

static void* read_all(void* argument) {
  const struct plan* plan = argument;
  if (plan->prefetches) {
    REQUIRE(gallocy_prefetch(plan->words, page_count * PAGE) == 0);
    usleep(300000);  // a program would work on something else
  }
  for (uint64_t i = 0; i < page_count * words_per_page; ++i) REQUIRE(plan->words[i] == i * 3);
  return NULL;
}

static void read_on_the_others(struct plan* plan) {
  const int count = gallocy_node_count();
  for (int node = count > 1 ? 1 : 0; node < count; ++node) run_on(node, read_all, plan);
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  prefetches = argc > 1 && strcmp(argv[1], "yes") == 0;
  words = (uint64_t*)page_aligned(page_count);
  for (uint64_t i = 0; i < page_count * words_per_page; ++i) words[i] = i * 3;
  struct plan* plan = gallocy_malloc(sizeof *plan);
  *plan = (struct plan){words, prefetches};
  int local = 0;
  REQUIRE(gallocy_prefetch(&local, sizeof local) == EINVAL);
  REQUIRE(gallocy_prefetch(words, (size_t)1 << 60) == EINVAL);
  REQUIRE(gallocy_prefetch(words, 0) == 0 && gallocy_prefetch(NULL, 0) == 0);
  REQUIRE(gallocy_prefetch(words, page_count * PAGE) == 0);  // all of it is here
  read_on_the_others(plan);
  // Shared now: a write takes the copies away, also those that were never mapped.
  for (uint64_t i = 0; i < page_count * words_per_page; ++i) words[i] = i * 3;
  plan->prefetches = 0;
  words[7] = 21;
  read_on_the_others(plan);
  printf("OK\n");
  return 0;
}
