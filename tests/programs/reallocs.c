// realloc and calloc of blocks that another thread has made.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "in_threads.h"

enum { thread_count = 5 };

static int* grown[thread_count];
static size_t counts[thread_count];
static long wrong[thread_count];
static pthread_barrier_t barrier;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int round = 0; round < 12; ++round) {
    const int mine = (me + round) % thread_count;
    const size_t old_count = counts[mine], count = old_count * 2 + (size_t)mine + 1;
    grown[mine] = realloc(grown[mine], count * sizeof(int));
    for (size_t i = 0; i < old_count; ++i) wrong[me] += grown[mine][i] != (int)i * mine;
    for (size_t i = old_count; i < count; ++i) grown[mine][i] = (int)i * mine;
    counts[mine] = count;
    pthread_barrier_wait(&barrier);
  }
  char* zeroed = calloc(1000, 77);
  for (int i = 0; i < 77000; ++i) wrong[me] += zeroed[i] != 0;
  memset(zeroed, 1, 77000);
  zeroed = realloc(zeroed, 10);
  for (int i = 0; i < 10; ++i) wrong[me] += zeroed[i] != 1;
  wrong[me] += malloc_usable_size(zeroed) < 10;
  free(zeroed);
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  for (int i = 0; i < thread_count; ++i) {
    printf("%zu: %ld wrong\n", counts[i], wrong[i]);
    free(grown[i]);
  }
  volatile size_t huge = SIZE_MAX / 2;
  errno = 0;
  printf("%d %d\n", reallocarray(NULL, huge, 4) == NULL, errno == ENOMEM);
  errno = 0;
  printf("%d %d\n", malloc(huge) == NULL, errno == ENOMEM);
}
