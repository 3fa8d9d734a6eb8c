// Threads that others than main() start, before it, are slow (slow_starts_library.c).
#include <stdatomic.h>

#include "in_threads.h"

extern atomic_int slow_starts_main_runs, slow_starts_wrong;

static void* count(void* counter) {
  atomic_fetch_add((atomic_int*)counter, 1);
  return NULL;
}

int main(void) {
  slow_starts_main_runs = 1;
  static atomic_int counter;
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) must(pthread_create(&threads[i], NULL, count, &counter));
  for (int i = 0; i < 3; ++i) must(pthread_join(threads[i], NULL));
  printf("%d threads, %d wrong\n", (int)counter, (int)slow_starts_wrong);
}
