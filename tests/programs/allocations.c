// Small and big blocks, freed by another thread than the one that made them.
#include <string.h>

#include "in_threads.h"

enum { thread_count = 6, block_count = 400 };

static unsigned char* blocks[thread_count][block_count];
static size_t sizes[thread_count][block_count];
static long wrong;
static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t size_of(int me, int i) {
  if (i % 100 == 0) return 1000000 + (size_t)me;  // big
  return (size_t)((i * 37 + me * 11) % 900);
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given, other = (me + 1) % thread_count;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < block_count; ++i) {
      sizes[me][i] = size_of(me, i);
      blocks[me][i] = malloc(sizes[me][i]);
      memset(blocks[me][i], (me * 31 + i) & 255, sizes[me][i]);
    }
    pthread_barrier_wait(&barrier);
    long bad = 0;
    for (int i = 0; i < block_count; ++i) {
      for (size_t j = 0; j < sizes[other][i]; ++j)
        bad += blocks[other][i][j] != ((other * 31 + i) & 255);
      free(blocks[other][i]);
    }
    pthread_mutex_lock(&lock);
    wrong += bad;
    pthread_mutex_unlock(&lock);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  unsigned char* first = malloc(0);
  unsigned char* second = malloc(0);
  printf("%ld wrong; of nothing: %d\n", wrong, first != NULL && first != second);
  free(first);
  free(second);
}
