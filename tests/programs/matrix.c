// The product of two matrices, rows in threads.
#include "in_threads.h"

enum { thread_count = 6, n = 240 };

static double a[n][n], b[n][n], c[n][n];

static void* run(void* given) {
  for (int i = (int)(intptr_t)given; i < n; i += thread_count)
    for (int k = 0; k < n; ++k)
      for (int j = 0; j < n; ++j) c[i][j] += a[i][k] * b[k][j];
  return NULL;
}

int main(void) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) a[i][j] = (i * 7 + j * 3) % 11, b[i][j] = (i * 5 + j) % 13;
  in_threads(thread_count, run);
  double sum = 0;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) sum += c[i][j] * (1 + (i + j) % 3);
  printf("%.0f %.0f\n", sum, c[17][93]);
}
