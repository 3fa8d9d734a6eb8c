// Threads on all nodes allocate in every way there is, fill, hand blocks to each other, resize,
// check and free; C library blocks go among them. In the end everything is free, and the nodes'
// memory with it.
#include <stdint.h>
#include <sys/stat.h>

#include "support.h"

enum { slot_count = 48, threads_per_node = 3 };

struct slot {
  pthread_mutex_t lock;
  unsigned char* block;
  size_t size_bytes;
  unsigned pattern;
};

struct shared {
  struct slot slots[slot_count];
  int rounds;
};

struct job {
  struct shared* shared;
  unsigned seed;
};

// Every size from 1 byte to 8 MiB, small ones most often.
static size_t any_size(unsigned* seed) {
  const unsigned bits = next(seed) % 40;
  return 1 + next(seed) % ((size_t)1 << (bits < 32 ? 2 + bits % 14 : bits - 17));
}

// The first and last byte of the block and of its pages: overlaps can't hide from that.
static void fill(const struct slot* slot) {
  for (size_t at = 0; at < slot->size_bytes; at += PAGE)
    slot->block[at] = (unsigned char)(slot->pattern + at / PAGE);
  slot->block[slot->size_bytes - 1] = (unsigned char)slot->pattern;
}

static void check(const struct slot* slot, size_t size_bytes) {
  for (size_t at = 0; at + 1 < size_bytes; at += PAGE)
    REQUIRE(slot->block[at] == (unsigned char)(slot->pattern + at / PAGE));
  if (size_bytes == slot->size_bytes)
    REQUIRE(slot->block[size_bytes - 1] == (unsigned char)slot->pattern);
}

static unsigned char* allocate(unsigned* seed, size_t size_bytes) {
  void* block = NULL;
  const size_t alignment = (size_t)16 << next(seed) % 18;
  switch (next(seed) % 6) {
    case 0:
      block = gallocy_calloc(1, size_bytes);
      REQUIRE(block != NULL);
      for (size_t at = 0; at < size_bytes; at += PAGE) REQUIRE(((char*)block)[at] == 0);
      REQUIRE(((char*)block)[size_bytes - 1] == 0);
      return block;
    case 1:
      REQUIRE(gallocy_posix_memalign(&block, alignment, size_bytes) == 0);
      REQUIRE((uintptr_t)block % alignment == 0);
      return block;
    case 2: {
      const int node = (int)(next(seed) % (unsigned)gallocy_node_count());
      block = gallocy_malloc_on(node, size_bytes);
      REQUIRE(block != NULL && gallocy_home_of(block) == node);
      return block;
    }
    default:
      block = gallocy_malloc(size_bytes);
      REQUIRE(block != NULL);
      return block;
  }
}

static void resize(struct slot* slot, unsigned* seed) {
  const size_t size_bytes = next(seed) % 3 == 0 ? any_size(seed)
                                                : 1 + slot->size_bytes / 2 +
                                                      next(seed) % (slot->size_bytes + 1);
  unsigned char* block = gallocy_realloc(slot->block, size_bytes);
  REQUIRE(block != NULL && gallocy_malloc_usable_size(block) >= size_bytes);
  slot->block = block;
  const size_t common = size_bytes < slot->size_bytes ? size_bytes : slot->size_bytes;
  if (size_bytes != slot->size_bytes) check(slot, common);
  slot->size_bytes = size_bytes;
}

static void* work(void* argument) {
  const struct job* job = argument;
  unsigned seed = job->seed;
  void* local = NULL;
  for (int round = 0; round < job->shared->rounds; ++round) {
    struct slot* slot = &job->shared->slots[next(&seed) % slot_count];
    REQUIRE(gallocy_pthread_mutex_lock(&slot->lock) == 0);
    const unsigned what = next(&seed) % 3;
    if (slot->block != NULL) check(slot, slot->size_bytes);
    if (slot->block != NULL && what == 0) {
      gallocy_free(slot->block);
      slot->block = NULL;
    } else {
      if (slot->block == NULL) {
        slot->size_bytes = any_size(&seed);
        slot->block = allocate(&seed, slot->size_bytes);
      } else {
        resize(slot, &seed);
      }
      slot->pattern = next(&seed);
      fill(slot);
    }
    REQUIRE(gallocy_pthread_mutex_unlock(&slot->lock) == 0);
    if (next(&seed) % 2 == 0) {  // the C library's heap is another
      free(local);
      local = malloc(any_size(&seed) % 5000);
      REQUIRE(local != NULL && (uintptr_t)local >> 40 != 0x55);
    }
  }
  free(local);
  return NULL;
}

// ---- how much memory the node has for the job --------------------------------------------

// The pages' file has a hole wherever there is no page. A process sees it by its mapping.
static void* resident_bytes(void* unused) {
  (void)unused;
  char line[256], path[300];
  FILE* maps = fopen("/proc/self/maps", "r");
  REQUIRE(maps != NULL);
  struct stat status = {0};
  while (fgets(line, sizeof line, maps) != NULL) {
    if (strncmp(line, "550000000000-", 13) != 0) continue;
    snprintf(path, sizeof path, "/proc/self/map_files/%.*s", (int)strcspn(line, " "), line);
    if (stat(path, &status) != 0) status.st_blocks = -1;
  }
  fclose(maps);
  return (void*)(long)(status.st_blocks < 0 ? -1 : status.st_blocks * 512);
}

static long resident_everywhere(void) {
  long sum = 0;
  for (int node = 0; node < gallocy_node_count(); ++node) {
    const long bytes = (long)run_on(node, resident_bytes, NULL);
    if (bytes < 0) return -1;
    sum += bytes;
  }
  return sum;
}

enum { pile_count = 10 };
#define PILE_BYTES ((size_t)5 << 20)

static void* pile_up(void* piles) {
  for (int i = 0; i < pile_count; ++i) {
    char* pile = gallocy_malloc(PILE_BYTES);
    REQUIRE(pile != NULL);
    for (size_t at = 0; at < PILE_BYTES; at += PAGE) pile[at] = 'x';
    ((char**)piles)[i] = pile;
  }
  return NULL;
}

static void* clear_away(void* piles) {
  for (int i = 0; i < pile_count; ++i) gallocy_free(((char**)piles)[i]);
  return NULL;
}

// A rank takes what others have freed when it uses its heap. The ranks of a node get its threads in
// turn.
static void* use_heap(void* unused) {
  gallocy_free(gallocy_malloc(1));
  return unused;
}

// Each node's blocks are freed on the next one.
static void memory_goes_back(void) {
  const int nodes = gallocy_node_count();
  char*** piles = gallocy_calloc((size_t)nodes, sizeof *piles);
  for (int node = 0; node < nodes; ++node) {
    piles[node] = gallocy_calloc(pile_count, sizeof **piles);
    run_on(node, pile_up, piles[node]);
  }
  const long before = resident_everywhere();
  if (before < 0) {
    printf("what is resident can't be seen without privilege\n");
    return;
  }
  REQUIRE(before >= (long)(nodes * pile_count * PILE_BYTES));
  for (int node = 0; node < nodes; ++node) run_on((node + 1) % nodes, clear_away, piles[node]);
  // A rank keeps one block of that size, and a chunk.
  const long limit = (long)(nodes * pile_count * PILE_BYTES / 2);
  long after = before;
  for (int tries = 0; tries < 2000 && after > limit; ++tries) {
    for (int rank = 0; rank < gallocy_size(); ++rank) run_on(rank % nodes, use_heap, NULL);
    after = resident_everywhere();
  }
  printf("resident: %ld KiB, then %ld KiB\n", before >> 10, after >> 10);
  REQUIRE(after <= limit);
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  shared->rounds = argc > 1 ? atoi(argv[1]) : 250;
  for (int i = 0; i < slot_count; ++i)
    REQUIRE(gallocy_pthread_mutex_init(&shared->slots[i].lock, NULL) == 0);
  const int thread_count = threads_per_node * gallocy_node_count();
  pthread_t threads[64 * threads_per_node];
  struct job* jobs = gallocy_calloc((size_t)thread_count, sizeof *jobs);
  for (int i = 0; i < thread_count; ++i) {
    jobs[i] = (struct job){shared, 31u + (unsigned)i};
    REQUIRE(gallocy_pthread_create_on(&threads[i], NULL, work, &jobs[i],
                                      i % gallocy_node_count()) == 0);
  }
  for (int i = 0; i < thread_count; ++i) REQUIRE(gallocy_pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < slot_count; ++i) {
    struct slot* slot = &shared->slots[i];
    if (slot->block != NULL) check(slot, slot->size_bytes);
    gallocy_free(slot->block);
    slot->block = NULL;
  }
  memory_goes_back();
  printf("OK\n");
  return 0;
}
