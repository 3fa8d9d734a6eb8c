// Threads on all nodes fill the memory until malloc has no more, and go on: with blocks that become
// smaller, with calls that the runtime has to note down, and with those that the first node makes.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition)                                                          \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: not true: %s (%m)\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

enum { page = 4096, thread_count = 3 };

struct block {
  struct block* next;
  size_t size_bytes;
};

static pthread_barrier_t all_full;

static struct block* fill(int with) {
  struct block* blocks = NULL;
  for (size_t size_bytes = 3 << 20; size_bytes >= sizeof *blocks; size_bytes /= 3)
    for (struct block* block; (block = malloc(size_bytes)) != NULL; blocks = block) {
      memset(block, with, size_bytes);
      *block = (struct block){blocks, size_bytes};
    }
  REQUIRE(errno == ENOMEM);
  return blocks;
}

static void check(const struct block* blocks, int with) {
  for (const struct block* block = blocks; block != NULL; block = block->next)
    for (size_t at = sizeof *block; at < block->size_bytes; at += 61)
      REQUIRE(((const unsigned char*)block)[at] == with);
}

static void shrink(struct block** link) {
  for (; *link != NULL; link = &(*link)->next) {
    const size_t less_bytes = (*link)->size_bytes / 3;
    if (less_bytes < sizeof **link) continue;
    struct block* shrunk = realloc(*link, less_bytes);
    REQUIRE(shrunk != NULL);
    shrunk->size_bytes = less_bytes;
    *link = shrunk;
  }
}

static void map_and_protect(char* pages) {
  REQUIRE(mprotect(pages, page, PROT_READ) == 0);
  REQUIRE(munmap(pages + page, page) == 0);
  REQUIRE(pages[0] == 1 && pages[2 * page] == 1);
  for (int i = 0; i < 3; ++i) {
    char* none = mmap(NULL, 6 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(none != MAP_FAILED);
    REQUIRE(munmap(none, 6 << 20) == 0);
  }
}

static void* run(void* argument) {
  const int number = *(const int*)argument;
  char* pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(pages != MAP_FAILED);
  memset(pages, 1, 3 * page);
  struct block* blocks = fill(number + 1);
  pthread_barrier_wait(&all_full);
  map_and_protect(pages);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(write(ends[1], "x", 1) == 1 && close(ends[0]) == 0 && close(ends[1]) == 0);
  pthread_barrier_wait(&all_full);
  shrink(&blocks);
  check(blocks, number + 1);
  return NULL;
}

int main(void) {
  pthread_t threads[thread_count];
  int numbers[thread_count];
  pthread_barrier_init(&all_full, NULL, thread_count);
  for (int i = 0; i < thread_count; ++i) {
    numbers[i] = i;
    REQUIRE(pthread_create(&threads[i], NULL, run, &numbers[i]) == 0);
  }
  for (int i = 0; i < thread_count; ++i) REQUIRE(pthread_join(threads[i], NULL) == 0);
  puts("end");
  return 0;
}
