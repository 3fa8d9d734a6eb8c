// What the system tests' programs share. A program prints `OK` as its last line and exits 0, or
// says what was wrong and exits 1.
#ifndef GALLOCY_TESTS_SUPPORT_H
#define GALLOCY_TESTS_SUPPORT_H

#include <gallocy/gallocy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
  char* block = gallocy_malloc((page_count + 1) * PAGE);
  REQUIRE(block != NULL);
  return (char*)(((unsigned long)block + PAGE - 1) & ~(PAGE - 1));
}

// Runs function(argument) on that node and waits for its result.
static inline void* run_on(int node, void* (*function)(void*), void* argument) {
  pthread_t thread;
  void* result = NULL;
  REQUIRE(gallocy_pthread_create_on(&thread, NULL, function, argument, node) == 0);
  REQUIRE(gallocy_pthread_join(thread, &result) == 0);
  return result;
}

#endif
