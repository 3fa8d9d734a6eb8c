// What the system tests' programs share. A program prints `OK` as its last line and exits 0, or
// says what was wrong and exits 1.
#ifndef GALLOCY_TESTS_SUPPORT_H
#define GALLOCY_TESTS_SUPPORT_H

#include <gallocy/gallocy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REQUIRE(condition)                                                              \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: node %d: not true: %s (%s)\n", __FILE__, __LINE__,        \
              gallocy_node(), #condition, gallocy_last_error());                        \
      _exit(1);                                                                         \
    }                                                                                   \
  } while (0)

#define PAGE ((size_t)4096)

static inline char* page_aligned(size_t page_count) {
  char* block = (char*)gallocy_malloc((page_count + 1) * PAGE);
  REQUIRE(block != NULL);
  return (char*)(((unsigned long)block + PAGE - 1) & ~(PAGE - 1));
}

// The time of that clock in so many milliseconds.
static inline struct timespec after_ms(clockid_t clock, long ms) {
  struct timespec time;
  clock_gettime(clock, &time);
  const long ns = time.tv_nsec + ms % 1000 * 1000000;
  time.tv_sec += ms / 1000 + ns / 1000000000;
  time.tv_nsec = ns % 1000000000;
  return time;
}
static inline int is_over(clockid_t clock, struct timespec until) {
  const struct timespec now = after_ms(clock, 0);
  return now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec);
}

// Words by which threads tell each other how far they are.
static inline void set(int* word) { __atomic_store_n(word, 1, __ATOMIC_RELEASE); }
static inline void wait_for(const int* word) {
  for (int i = 0; i < 20000 && __atomic_load_n(word, __ATOMIC_ACQUIRE) == 0; ++i) usleep(500);
  REQUIRE(__atomic_load_n(word, __ATOMIC_ACQUIRE) != 0);
}

static inline pthread_t start_on(int node, void* (*function)(void*), void* argument) {
  pthread_t thread;
  REQUIRE(gallocy_pthread_create_on(&thread, NULL, function, argument, node) == 0);
  return thread;
}
static inline void* join(pthread_t thread) {
  void* result = NULL;
  REQUIRE(gallocy_pthread_join(thread, &result) == 0);
  return result;
}

// Runs function(argument) on that node and waits for its result.
static inline void* run_on(int node, void* (*function)(void*), void* argument) {
  return join(start_on(node, function, argument));
}

// A number of 24 bits that the seed fixes.
static inline unsigned next(unsigned* seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

// Of what this process has mapped at the address; 0: of nothing.
static inline unsigned long inode_of(const void* address) {
  FILE* maps = fopen("/proc/self/maps", "r");
  REQUIRE(maps != NULL);
  char line[512];
  unsigned long inode = 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long begin, end, number;
    if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &begin, &end, &number) == 3 &&
        begin <= (unsigned long)address && (unsigned long)address < end)
      inode = number;
  }
  fclose(maps);
  return inode;
}

#endif
