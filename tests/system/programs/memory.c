// Programs at the bound of memory (--memory).
//
//   memory exceed MIB ROUNDS   each node allocates MIB and all nodes change and check all of it
//   memory malloc MIB          each node in turn allocates until no node has more, which is more
//                              than MIB of each, all nodes check it, and it is freed and
//                              allocated again
//   memory hold MIB            each node allocates MIB, and all check it when standard input has
//                              ended
//   memory turns MIB           each rank in turn allocates MIB near node 0 and frees it
//   memory fill MIB BLOCKS     blocks of MIB are allocated by one node before the first of them is
//                              filled, and all nodes check them
//   memory together KIB ...    three threads fill blocks of KIB until there are no more, and then
//                              of the next KIB
//   memory grow KIB MORE       three threads fill blocks of KIB until there are no more, and let
//                              each grow to MORE KIB, which it may refuse
//   memory elsewhere KIB       rank 0 fills blocks of KIB until there are no more; a thread on each
//                              node in turn, while all others wait, frees them and does the same
//   memory untouched COUNT     rank 0 allocates COUNT blocks of 3 MiB, touches none, and fills all
//                              that there is; a thread on each node frees its part of them
//   memory sparse NODE         a thread on NODE writes to more than there is room for
//   memory seen NODE           the same, reading each page before
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

static struct all* fill_all(size_t mib) {
  struct all* all = gallocy_calloc(1, sizeof *all);
  all->part_count = gallocy_node_count();
  for (int node = 0; node < all->part_count; ++node) {
    all->parts[node] = (struct part){NULL, (mib << 20) / PAGE, node};
    run_on(node, fill, &all->parts[node]);
  }
  return all;
}

static void change_all(struct all* all, int rounds) {
  for (int round = 0; round < rounds; ++round)
    for (all->who = 0; all->who < all->part_count; ++all->who) {
      ++all->round;
      run_on(all->who, change, all);
    }
}

enum { block_words = (1 << 20) / sizeof(uint64_t), check_stride = 128, most_blocks = 1000 };

struct pile {
  int least;  // so many have the home that has fewest
  int count;
  uint64_t* blocks[most_blocks];
};

static uint64_t word_of(int block, size_t at) { return (uint64_t)(block + 1) << 32 | at; }

// Until there is no more, near that node or anywhere.
static void pile_up(struct pile* pile, int node) {
  for (; pile->count < most_blocks; ++pile->count) {
    const size_t size_bytes = block_words * sizeof(uint64_t);
    uint64_t* block = node == GALLOCY_ANY_NODE ? gallocy_malloc(size_bytes)
                                               : gallocy_malloc_on(node, size_bytes);
    if (block == NULL) break;
    REQUIRE(node == GALLOCY_ANY_NODE || gallocy_home_of(block) == node);
    for (size_t at = 0; at < block_words; ++at) block[at] = word_of(pile->count, at);
    pile->blocks[pile->count] = block;
  }
  REQUIRE(pile->count < most_blocks && errno == ENOMEM);
}

static void* check_pile(void* argument) {
  const struct pile* pile = argument;
  for (int i = 0; i < pile->count; ++i)
    for (size_t at = 0; at < block_words; at += check_stride)
      REQUIRE(pile->blocks[i][at] == word_of(i, at));
  return NULL;
}

// What the calling node has, which another does not make up for, and then what all have.
static void* until_null(void* argument) {
  struct pile* pile = argument;
  int homed_at[max_nodes] = {0};
  pile_up(pile, gallocy_node());
  REQUIRE(pile->count > pile->least);
  pile_up(pile, GALLOCY_ANY_NODE);
  for (int i = 0; i < pile->count; ++i) ++homed_at[gallocy_home_of(pile->blocks[i])];
  for (int node = 0; node < gallocy_node_count(); ++node) {
    REQUIRE(homed_at[node] > pile->least);
    REQUIRE(gallocy_malloc_on(node, 1 << 20) == NULL && errno == ENOMEM);
  }
  return NULL;
}

// What was freed can be had again.
static void* clear_and_repeat(void* argument) {
  struct pile* pile = argument;
  const int before = pile->count;
  for (; pile->count > 0; --pile->count) gallocy_free(pile->blocks[pile->count - 1]);
  pile_up(pile, GALLOCY_ANY_NODE);
  REQUIRE(pile->count > before - 3 && pile->count < before + 3);
  check_pile(pile);
  for (; pile->count > 0; --pile->count) gallocy_free(pile->blocks[pile->count - 1]);
  return NULL;
}

static void* allocate_and_free(void* argument) {
  const size_t* size_bytes = argument;
  char* block = gallocy_malloc_on(0, *size_bytes);
  REQUIRE(block != NULL);
  memset(block, 1, *size_bytes);
  gallocy_free(block);
  return NULL;
}

struct sizes {  // of blocks, in bytes
  int count;
  size_t bytes[8];
};

static void* fill_until_null(void* argument) {
  const struct sizes* sizes = argument;
  for (int i = 0; i < sizes->count; ++i) {
    const size_t size_bytes = sizes->bytes[i];
    for (char* block; (block = gallocy_malloc(size_bytes)) != NULL;) memset(block, 1, size_bytes);
    REQUIRE(errno == ENOMEM);
  }
  return NULL;
}

// The one that grows is new or the old one; the others are as they were.
static void* grow_until_null(void* argument) {
  const struct sizes* sizes = argument;
  const size_t before = sizes->bytes[0], after = sizes->bytes[1];
  char* blocks[most_blocks];
  int count = 0;
  for (; count < most_blocks && (blocks[count] = gallocy_malloc(before)) != NULL; ++count)
    memset(blocks[count], count, before);
  REQUIRE(count < most_blocks && errno == ENOMEM);
  for (int i = 0; i < count; ++i) {
    char* grown = gallocy_realloc(blocks[i], after);
    REQUIRE(grown != NULL || errno == ENOMEM);
    if (grown == NULL) grown = blocks[i];
    else memset(grown + before, i, after - before);
    for (size_t at = 0; at < before; at += check_stride) REQUIRE(grown[at] == (char)i);
    blocks[i] = grown;
  }
  for (int i = 0; i < count; ++i) REQUIRE(blocks[i][before - 1] == (char)i);
  return NULL;
}

struct filled {
  size_t size_bytes;
  int count;
  char* blocks[20000];
};

static void fill_blocks(struct filled* filled) {
  enum { most = sizeof filled->blocks / sizeof *filled->blocks };
  const size_t size_bytes = filled->size_bytes;
  char* block;
  for (; filled->count < most && (block = gallocy_malloc(size_bytes)) != NULL; ++filled->count) {
    memset(block, filled->count, size_bytes);
    filled->blocks[filled->count] = block;
  }
  REQUIRE(filled->count < most && errno == ENOMEM);
}

// A rank may be left with part of a chunk.
static void* free_and_fill(void* argument) {
  struct filled* filled = argument;
  const int before = filled->count;
  for (int i = 0; i < before; ++i)
    for (size_t at = 0; at < filled->size_bytes; at += filled->size_bytes - 1)
      REQUIRE(filled->blocks[i][at] == (char)i);
  for (; filled->count > 0; --filled->count) gallocy_free(filled->blocks[filled->count - 1]);
  fill_blocks(filled);
  const int per_chunk = (int)(((size_t)2 << 20) / filled->size_bytes);
  const int left = (1 + per_chunk) * gallocy_node_count();
  REQUIRE(filled->count >= before - left);
  return NULL;
}

struct untouched {
  int first, count;
  char** blocks;
};

static void* free_untouched(void* argument) {
  const struct untouched* part = argument;
  for (int i = 0; i < part->count; ++i) gallocy_free(part->blocks[part->first + i]);
  return NULL;
}

// What is given back has never had any memory, and must not take any.
static void free_untouched_at_the_bound(int count) {
  char** blocks = gallocy_calloc((size_t)count, sizeof *blocks);
  for (int i = 0; i < count; ++i) REQUIRE((blocks[i] = gallocy_malloc(3 << 20)) != NULL);
  struct filled* filled = gallocy_calloc(1, sizeof *filled);
  filled->size_bytes = 100 << 10;
  fill_blocks(filled);
  struct untouched* part = gallocy_calloc(1, sizeof *part);
  *part = (struct untouched){0, count / gallocy_node_count(), blocks};
  for (int node = gallocy_node_count() - 1; node >= 0; --node, part->first += part->count)
    run_on(node, free_untouched, part);
  for (int i = 0; i < filled->count; ++i) REQUIRE(filled->blocks[i][0] == (char)i);
}

static void in_three_threads(void* (*function)(void*), struct sizes* sizes) {
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i)
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, function, sizes) == 0);
  for (int i = 0; i < 3; ++i) REQUIRE(gallocy_pthread_join(threads[i], NULL) == 0);
}

static struct sizes* sizes_of(int count, char** kib) {
  struct sizes* sizes = gallocy_calloc(1, sizeof *sizes);
  for (; sizes->count < count; ++sizes->count)
    sizes->bytes[sizes->count] = (size_t)atoi(kib[sizes->count]) << 10;
  return sizes;
}

struct blocks {
  size_t page_count;  // of each
  int count;
  uint64_t* words[max_nodes];
};

static struct blocks* allocate_blocks(size_t mib, int count) {
  REQUIRE(count <= max_nodes);
  struct blocks* blocks = gallocy_calloc(1, sizeof *blocks);
  *blocks = (struct blocks){.page_count = (mib << 20) / PAGE, .count = count};
  for (int i = 0; i < count; ++i)
    REQUIRE((blocks->words[i] = gallocy_malloc(mib << 20)) != NULL);
  return blocks;
}

static void* write_all(void* argument) {
  const struct blocks* blocks = argument;
  for (int i = 0; i < blocks->count; ++i)
    for (size_t page = 0; page < blocks->page_count; ++page)
      blocks->words[i][page * stride] = word_of(i, page);
  return NULL;
}

// Whoever reads a page of zeros has a copy of it that is no use to a writer.
static void* read_and_write_all(void* argument) {
  const struct blocks* blocks = argument;
  for (int i = 0; i < blocks->count; ++i)
    for (size_t page = 0; page < blocks->page_count; ++page) {
      volatile uint64_t* word = &blocks->words[i][page * stride];
      REQUIRE(*word == 0);
      *word = word_of(i, page);
    }
  return NULL;
}

static void* check_all(void* argument) {
  const struct blocks* blocks = argument;
  for (int i = 0; i < blocks->count; ++i)
    for (size_t page = 0; page < blocks->page_count; ++page)
      REQUIRE(blocks->words[i][page * stride] == word_of(i, page));
  return NULL;
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "exceed") == 0 && argc == 4) {
    change_all(fill_all((size_t)atoi(argv[2])), atoi(argv[3]));
  } else if (strcmp(what, "hold") == 0 && argc == 3) {
    struct all* all = fill_all((size_t)atoi(argv[2]));
    printf("filled\n");
    fflush(stdout);
    REQUIRE(getchar() == EOF);
    change_all(all, 1);
  } else if (strcmp(what, "malloc") == 0 && argc == 3) {
    struct pile* pile = gallocy_calloc(1, sizeof *pile);
    pile->least = atoi(argv[2]);
    for (int node = gallocy_node_count() - 1; node >= 0; --node) {
      run_on(node, until_null, pile);
      for (int other = 0; other < gallocy_node_count(); ++other) run_on(other, check_pile, pile);
      run_on(node, clear_and_repeat, pile);
    }
  } else if (strcmp(what, "turns") == 0 && argc == 3) {
    size_t* size_bytes = gallocy_malloc(sizeof *size_bytes);
    *size_bytes = (size_t)atoi(argv[2]) << 20;
    for (int turn = 0; turn < 2 * gallocy_node_count(); ++turn)
      run_on(turn % gallocy_node_count(), allocate_and_free, size_bytes);
  } else if ((strcmp(what, "sparse") == 0 || strcmp(what, "seen") == 0) && argc == 3) {
    // Untouched memory costs nothing, so there is more of it than can be written to.
    run_on(atoi(argv[2]), strcmp(what, "seen") == 0 ? read_and_write_all : write_all,
           allocate_blocks(10, 12 * gallocy_node_count()));
  } else if (strcmp(what, "together") == 0 && argc >= 3 && argc <= 10) {
    in_three_threads(fill_until_null, sizes_of(argc - 2, argv + 2));
  } else if (strcmp(what, "grow") == 0 && argc == 4) {
    in_three_threads(grow_until_null, sizes_of(2, argv + 2));
  } else if (strcmp(what, "elsewhere") == 0 && argc == 3) {
    struct filled* filled = gallocy_calloc(1, sizeof *filled);
    filled->size_bytes = (size_t)atoi(argv[2]) << 10;
    fill_blocks(filled);
    for (int node = gallocy_node_count() - 1; node >= 0; --node)
      run_on(node, free_and_fill, filled);
  } else if (strcmp(what, "untouched") == 0 && argc == 3) {
    free_untouched_at_the_bound(atoi(argv[2]));
  } else if (strcmp(what, "fill") == 0 && argc == 4) {
    struct blocks* blocks = allocate_blocks((size_t)atoi(argv[2]), atoi(argv[3]));
    write_all(blocks);
    for (int node = 0; node < gallocy_node_count(); ++node) run_on(node, check_all, blocks);
  } else {
    return 64;
  }
  printf("OK\n");
  return 0;
}
