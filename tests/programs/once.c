// pthread_once and C11 call_once, first called by several threads at once.
#include <threads.h>

#include "in_threads.h"

enum { thread_count = 6 };

static pthread_once_t control = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static int* table;
static int calls, flag_calls, seen[thread_count];

static void fill(void) {
  table = malloc(100 * sizeof(int));
  for (int i = 0; i < 100; ++i) table[i] = i * i;
  ++calls;
}
static void flagged(void) { ++flag_calls; }

static void* run(void* given) {
  pthread_once(&control, fill);
  call_once(&flag, flagged);
  seen[(intptr_t)given] = table[99] + flag_calls;
  return NULL;
}

int main(void) {
  in_threads(thread_count, run);
  pthread_once(&control, fill);
  for (int i = 0; i < thread_count; ++i) printf("%d\n", seen[i]);
  printf("%d %d\n", calls, flag_calls);
  free(table);
}
