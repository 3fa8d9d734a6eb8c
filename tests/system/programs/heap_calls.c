// Every call of the allocator by name, with arguments that are good, bad and at the border. With
// an argument: a pointer that is no block is printed and freed, which must end the process.
#include <errno.h>
#include <stdint.h>

#include "support.h"

#define FAILS_WITH(call, code) (errno = 0, (call) == NULL && errno == (code))

static void sizes_and_alignments(void) {
  for (size_t alignment = 1; alignment <= GALLOCY_ALIGNMENT_MAX; alignment *= 2)
    for (size_t size = 0; size < 100000; size = size * 7 + 1) {
      char* a = gallocy_memalign(alignment, size);
      char* b = gallocy_aligned_alloc(alignment, size);
      REQUIRE(a != NULL && b != NULL && a != b);
      REQUIRE((uintptr_t)a % alignment == 0 && (uintptr_t)b % alignment == 0);
      REQUIRE(gallocy_malloc_usable_size(a) >= size && gallocy_malloc_usable_size(b) >= size);
      memset(a, 1, size);
      memset(b, 2, size);
      gallocy_free(a);
      gallocy_free(b);
    }
  void* block = &block;
  const size_t wrong[] = {0, 3, 24, 100, GALLOCY_ALIGNMENT_MAX * 2, SIZE_MAX};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    REQUIRE(FAILS_WITH(gallocy_memalign(wrong[i], 8), EINVAL));
    REQUIRE(FAILS_WITH(gallocy_aligned_alloc(wrong[i], 8), EINVAL));
    REQUIRE(gallocy_posix_memalign(&block, wrong[i], 8) == EINVAL && block == &block);
  }
  errno = 77;
  REQUIRE(gallocy_posix_memalign(&block, 4, 8) == EINVAL);
  REQUIRE(gallocy_posix_memalign(NULL, 16, 8) == EINVAL);
  REQUIRE(gallocy_posix_memalign(&block, 16, SIZE_MAX / 2) == ENOMEM && block == &block);
  REQUIRE(gallocy_posix_memalign(&block, 64, 0) == 0 && block != NULL && errno == 77);
  gallocy_free(block);
}

static void too_much(void) {
  void* block = gallocy_malloc(100);
  memset(block, 5, 100);
  REQUIRE(FAILS_WITH(gallocy_malloc(SIZE_MAX), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_malloc((size_t)1 << 50), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_calloc(SIZE_MAX / 2, 3), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_memalign(GALLOCY_ALIGNMENT_MAX, SIZE_MAX), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_malloc_on(0, SIZE_MAX), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_realloc(block, SIZE_MAX), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_reallocarray(block, SIZE_MAX / 4, 5), ENOMEM));
  REQUIRE(FAILS_WITH(gallocy_reallocarray(NULL, SIZE_MAX / 4, 5), ENOMEM));
  for (int i = 0; i < 100; ++i) REQUIRE(((char*)block)[i] == 5);
  gallocy_free(block);
}

// The first block there is has room behind it, so it stays and grows; shrinking does not move it.
static void staying(void) {
  char* block = gallocy_malloc((size_t)3 << 20);
  strcpy(block, "stays");
  REQUIRE(gallocy_realloc(block, (size_t)6 << 20) == block);
  block[((size_t)6 << 20) - 1] = 'e';
  REQUIRE(gallocy_realloc(block, (size_t)3 << 20) == block && strcmp(block, "stays") == 0);
  gallocy_free(block);
}

static void resizing(void) {
  char* block = gallocy_realloc(NULL, 10);
  REQUIRE(block != NULL);
  strcpy(block, "contents");
  for (size_t size = 10; size < ((size_t)8 << 20); size += size / 3 + 1) {
    block = gallocy_reallocarray(block, size, 1);
    REQUIRE(block != NULL && strcmp(block, "contents") == 0);
    block[size - 1] = 'e';
  }
  block = gallocy_realloc(block, 9);
  REQUIRE(block != NULL && strcmp(block, "contents") == 0);
  block = gallocy_realloc(block, 0);
  REQUIRE(block != NULL);
  gallocy_free(block);
  REQUIRE(gallocy_malloc_usable_size(NULL) == 0);
  gallocy_free(NULL);
}

static void* resize_and_free(void* block) {
  REQUIRE(gallocy_malloc_usable_size(block) >= 3000);
  char* grown = gallocy_realloc(block, 300000);
  REQUIRE(grown != NULL && strcmp(grown, "from another node") == 0);
  gallocy_free(grown);
  return NULL;
}

static void homes(void) {
  char local;
  const int last = gallocy_node_count() - 1;
  for (int node = 0; node <= last; ++node) {
    char* small = gallocy_malloc_on(node, 3000);
    char* large = gallocy_malloc_on(node, (size_t)5 << 20);
    REQUIRE(gallocy_home_of(small) == node && gallocy_home_of(large + (4 << 20)) == node);
    strcpy(small, "from another node");
    run_on(last, resize_and_free, small);
    gallocy_free(large);
  }
  REQUIRE(FAILS_WITH(gallocy_malloc_on(-1, 8), EINVAL));
  REQUIRE(FAILS_WITH(gallocy_malloc_on(last + 1, 8), EINVAL));
  REQUIRE(FAILS_WITH(gallocy_malloc_on(64, 8), EINVAL));
  REQUIRE(FAILS_WITH(gallocy_malloc_on(1 << 30, 8), EINVAL));
  void* const no_memory[] = {NULL, &local, (void*)0x550ffff00000, (void*)~(uintptr_t)0};
  for (int i = 0; i < 4; ++i) {
    errno = 0;
    REQUIRE(gallocy_home_of(no_memory[i]) == -1 && errno == EINVAL);
  }
}

// ---- two nodes' blocks never share a page ------------------------------------------------

// Of every size class, of whole pages and of chunks; near the rank's own node and near another.
enum { block_count = 400 };

struct range {
  uintptr_t first_page, last_page;
  int rank;
};

static void* allocate_some(void* argument) {
  char** blocks = argument;
  unsigned seed = 1;
  for (int i = 0; i < block_count; ++i) {
    const size_t size_bytes = 1 + next(&seed) % ((size_t)1 << (4 + i % 19));
    blocks[i] = i % 4 == 0 ? gallocy_malloc_on(i / 4 % gallocy_node_count(), size_bytes)
                           : gallocy_malloc(size_bytes);
    REQUIRE(blocks[i] != NULL);
  }
  return NULL;
}

static void* free_all(void* argument) {
  char** blocks = argument;
  for (int i = 0; i < block_count; ++i) gallocy_free(blocks[i]);
  return NULL;
}

static int by_page(const void* one, const void* other) {
  const struct range* a = one;
  const struct range* b = other;
  return a->first_page < b->first_page ? -1 : a->first_page > b->first_page;
}

// In the order of their pages, a block of another rank begins after all before it have ended.
static void require_apart(char*** blocks, int nodes) {
  const int count = nodes * block_count;
  struct range* ranges = malloc((size_t)count * sizeof *ranges);
  for (int i = 0; i < count; ++i) {
    const uintptr_t begin = (uintptr_t)blocks[i / block_count][i % block_count];
    const size_t size_bytes = gallocy_malloc_usable_size((void*)begin);
    ranges[i] = (struct range){begin / PAGE, (begin + size_bytes - 1) / PAGE, i / block_count};
  }
  qsort(ranges, (size_t)count, sizeof *ranges, by_page);
  uintptr_t end = 0;
  for (int i = 0; i < count; ++i) {
    REQUIRE(i == 0 || ranges[i].rank == ranges[i - 1].rank || ranges[i].first_page > end);
    if (ranges[i].last_page > end) end = ranges[i].last_page;
  }
  free(ranges);
}

// Again with what the others have freed meanwhile.
static void pages_of_their_own(void) {
  const int nodes = gallocy_node_count();
  char*** blocks = gallocy_calloc((size_t)nodes, sizeof *blocks);
  for (int node = 0; node < nodes; ++node)
    blocks[node] = gallocy_calloc(block_count, sizeof **blocks);
  for (int round = 0; round < 3; ++round) {
    for (int node = 0; node < nodes; ++node) run_on(node, allocate_some, blocks[node]);
    require_apart(blocks, nodes);
    for (int node = 0; node < nodes; ++node) run_on((node + 1) % nodes, free_all, blocks[node]);
  }
  for (int node = 0; node < nodes; ++node) gallocy_free(blocks[node]);
  gallocy_free(blocks);
}

// ---- what is no block --------------------------------------------------------------------

static char some_global[64];

static void* allocate_one(void* size) { return gallocy_malloc((size_t)size); }

static char* printed(char* block) {
  printf("%p\n", (void*)block);
  fflush(stdout);
  return block;
}

static void free_what_is_no_block(const char* kind) {
  char local[64];
  const int last = gallocy_node_count() - 1;
  const size_t huge = (size_t)9 << 20;
  char* large = gallocy_malloc(huge);
  char* small = gallocy_malloc(100);
  char* block = small;
  if (strcmp(kind, "malloced") == 0) block = malloc(100);
  if (strcmp(kind, "stack") == 0) block = local;
  if (strcmp(kind, "global") == 0) block = some_global;
  if (strcmp(kind, "garbage") == 0) block = (char*)0x550fabcd0120;
  if (strcmp(kind, "first_byte") == 0) block = (char*)0x550000000000;
  if (strcmp(kind, "noncanonical") == 0) block = (char*)0xdead000000000000;
  if (strcmp(kind, "interior") == 0) block = small + 8;
  if (strcmp(kind, "interior_of_large") == 0) block = large + (5 << 20);
  if (strcmp(kind, "interior_of_other") == 0)
    block = (char*)run_on(last, allocate_one, (void*)100) + 16;
  if (strcmp(kind, "large_of_other") == 0)
    block = (char*)run_on(last, allocate_one, (void*)huge) + PAGE;
  if (strcmp(kind, "descriptor") == 0)
    block = (char*)((uintptr_t)small & ~(uintptr_t)0x1fffff) + 64;
  if (strcmp(kind, "twice") == 0) gallocy_free(block);
  if (strcmp(kind, "large_twice") == 0) gallocy_free(block = large);
  if (strcmp(kind, "huge_twice") == 0) gallocy_free(block = gallocy_malloc((size_t)40 << 20));
  if (strcmp(kind, "resized") == 0) gallocy_realloc(printed(local), 10);
  if (strcmp(kind, "resized_array") == 0) gallocy_reallocarray(printed(local), 1, 10);
  if (strcmp(kind, "measured") == 0) gallocy_malloc_usable_size(printed(local));
  if (strcmp(kind, "of_other_twice") != 0) {
    gallocy_free(printed(block));
    return;
  }
  block = run_on(last, allocate_one, (void*)100);
  gallocy_free(block);
  gallocy_free(printed(block));
  for (;;) {  // the owner finds out
    run_on(last, allocate_one, (void*)100);
    usleep(1000);
  }
}

int main(int argc, char** argv) {
  REQUIRE(FAILS_WITH(gallocy_malloc(1), EPERM));
  REQUIRE(FAILS_WITH(gallocy_realloc(NULL, 1), EPERM));
  REQUIRE(FAILS_WITH(gallocy_malloc_on(0, 1), EPERM));
  REQUIRE(gallocy_malloc_usable_size(argv) == 0);
  REQUIRE(gallocy_init() == 0);
  if (argc > 1) {
    free_what_is_no_block(argv[1]);
    return 1;
  }
  staying();
  sizes_and_alignments();
  too_much();
  resizing();
  homes();
  pages_of_their_own();
  printf("OK\n");
  return 0;
}
