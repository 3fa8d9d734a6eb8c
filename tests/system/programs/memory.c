// Programs at the bound of memory (--memory 64M).
//
//   memory exceed MIB ROUNDS   each node allocates MIB and all nodes change and check all of it
//   memory malloc              allocates until there is no more, frees, and allocates again
//   memory sparse NODE         a thread on NODE writes to more than its home has room for
#include <errno.h>
#include <stdint.h>

#include "support.h"

enum { max_nodes = 64, stride = 4096 / sizeof(uint64_t) };

struct part {
  uint64_t* words;
  size_t page_count;
  int number;
};

struct all {
  int part_count;
  struct part parts[max_nodes];
  uint64_t round;
  int who;
};

static uint64_t value_of(const struct part* part, size_t page, uint64_t round) {
  return (uint64_t)part->number << 56 | (uint64_t)page << 16 | round;
}

static void* fill(void* argument) {
  struct part* part = argument;
  part->words = gallocy_malloc(part->page_count * PAGE);
  REQUIRE(part->words != NULL);
  for (size_t page = 0; page < part->page_count; ++page)
    part->words[page * stride] = value_of(part, page, 0);
  return NULL;
}

// Each round of each node reads what the one before wrote. The nodes write different words, so
// what lies between has to survive as well.
static void* change(void* argument) {
  struct all* all = argument;
  const int words = all->part_count;
  for (int i = 0; i < all->part_count; ++i) {
    struct part* part = &all->parts[i];
    for (size_t page = 0; page < part->page_count; ++page) {
      uint64_t* first = part->words + page * stride;
      REQUIRE(*first == value_of(part, page, all->round - 1));
      *first = value_of(part, page, all->round);
      if (all->round > (uint64_t)words)
        REQUIRE(first[1 + all->who] == value_of(part, page, all->round - (uint64_t)words));
      first[1 + all->who] = value_of(part, page, all->round);
    }
  }
  return NULL;
}

static void exceed(size_t mib, int rounds) {
  struct all* all = gallocy_calloc(1, sizeof *all);
  all->part_count = gallocy_node_count();
  for (int node = 0; node < all->part_count; ++node) {
    all->parts[node] = (struct part){NULL, (mib << 20) / PAGE, node};
    run_on(node, fill, &all->parts[node]);
  }
  for (int round = 0; round < rounds; ++round)
    for (all->who = 0; all->who < all->part_count; ++all->who) {
      ++all->round;
      run_on(all->who, change, all);
    }
}

static int fill_blocks(unsigned char** blocks, int limit) {
  int count = 0;
  for (; count < limit; ++count) {
    blocks[count] = gallocy_malloc(1 << 20);
    if (blocks[count] == NULL) break;
    memset(blocks[count], count + 1, 1 << 20);
  }
  for (int i = 0; i < count; ++i)
    for (size_t at = 0; at < 1 << 20; at += 1024) REQUIRE(blocks[i][at] == (unsigned char)(i + 1));
  return count;
}

static void* until_null(void* unused) {
  static unsigned char* blocks[1000];
  const int count = fill_blocks(blocks, 1000);
  REQUIRE(count > 30 && count < 64);
  REQUIRE(blocks[count] == NULL && errno == ENOMEM);
  for (int i = 0; i < count; ++i) gallocy_free(blocks[i]);
  REQUIRE(fill_blocks(blocks, count / 2) == count / 2);
  return unused;
}

// Untouched memory costs nothing, so there is more of it than can be written to.
static void* write_all(void* argument) {
  char** blocks = argument;
  for (int i = 0; i < 4; ++i) memset(blocks[i], 1, 30 << 20);
  return NULL;
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "exceed") == 0 && argc == 4) {
    exceed((size_t)atoi(argv[2]), atoi(argv[3]));
  } else if (strcmp(what, "malloc") == 0) {
    for (int node = gallocy_node_count() - 1; node >= 0; --node) run_on(node, until_null, NULL);
  } else if (strcmp(what, "sparse") == 0 && argc == 3) {
    char** blocks = gallocy_calloc(4, sizeof *blocks);
    for (int i = 0; i < 4; ++i) REQUIRE((blocks[i] = gallocy_malloc(30 << 20)) != NULL);
    run_on(atoi(argv[2]), write_all, blocks);
  } else {
    return 64;
  }
  printf("OK\n");
  return 0;
}
