// What by_library.c is linked with, which knows gallocy.
#include <stdio.h>

#include "gallocy/gallocy.h"

int write_and_read(void);

static void* work(void* cell) {
  *(int*)cell = gallocy_node();
  return NULL;
}

int write_and_read(void) {
  if (gallocy_init() != 0) return 1;
  int* cell = gallocy_calloc(1, sizeof *cell);
  pthread_t thread;
  if (gallocy_pthread_create_on(&thread, NULL, work, cell, gallocy_node_count() - 1) != 0 ||
      gallocy_pthread_join(thread, NULL) != 0)
    return 1;
  printf("written on node %d, read on node %d\n", *cell, gallocy_node());
  return 0;
}
