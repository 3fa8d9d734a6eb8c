// LU decomposition of a heap-allocated matrix, a barrier after each column.
#include "in_threads.h"

enum { thread_count = 4, n = 160 };

static double** rows;
static pthread_barrier_t barrier;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int k = 0; k < n; ++k) {
    for (int i = k + 1; i < n; ++i) {
      if (i % thread_count != me) continue;
      const double factor = rows[i][k] /= rows[k][k];
      for (int j = k + 1; j < n; ++j) rows[i][j] -= factor * rows[k][j];
    }
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(void) {
  rows = malloc(n * sizeof *rows);
  for (int i = 0; i < n; ++i) {
    rows[i] = malloc(n * sizeof(double));
    for (int j = 0; j < n; ++j) rows[i][j] = (i * 31 + j * 17) % 23 + (i == j ? 100 : 0);
  }
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) sum += rows[i][j];
    free(rows[i]);
  }
  free(rows);
  printf("%.9e\n", sum);
}
