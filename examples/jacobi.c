/*
 * jacobi [ROWS [ROUNDS [THREADS]]]
 *
 * Heat spreads over a square plate whose edges stay as they are: in each round every inner point
 * becomes the mean of its four neighbours. Each thread has a band of rows, reads its neighbours'
 * edge rows, and waits at a barrier between rounds. Checked against one thread that does it alone.
 *
 * A row is a whole number of pages, so that only the two rows at the edge of a band are ever read
 * by another node, and none is written by two.
 */
#include "support.h"

struct plate {
  long rows, columns, rounds;
  double* grids[2]; /* round r reads grids[r % 2] and writes the other */
  pthread_barrier_t* barrier;
};

static void heat_edges(const struct plate* plate, double* grid) {
  for (long i = 0; i < plate->columns; ++i) grid[i] = 100;
  for (long i = 0; i < plate->rows; ++i) grid[i * plate->columns] = (double)i;
}

static void relax(const struct plate* plate, long round, long begin, long end) {
  const double* from = plate->grids[round % 2];
  double* to = plate->grids[(round + 1) % 2];
  const long width = plate->columns;
  for (long row = begin; row < end; ++row)
    for (long i = row * width + 1; i < (row + 1) * width - 1; ++i)
      to[i] = (from[i - width] + from[i + width] + from[i - 1] + from[i + 1]) / 4;
}

static void* work(void* context) {
  const struct part* part = context;
  const struct plate* plate = part->job;
  const long begin = 1 + begin_of(part, plate->rows - 2), end = 1 + end_of(part, plate->rows - 2);
  for (long round = 0; round < plate->rounds; ++round) {
    relax(plate, round, begin, end);
    const int status = gallocy_pthread_barrier_wait(plate->barrier);
    CHECK(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
  }
  return NULL;
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  const long rows = argument(argc, argv, 1, 256, 3);
  const long rounds = argument(argc, argv, 2, 40, 1);
  const long threads = argument(argc, argv, 3, 2L * gallocy_node_count(), 1);
  struct plate* plate = pages(sizeof *plate);
  plate->rows = rows;
  plate->columns = (rows + 511) / 512 * 512;
  plate->rounds = rounds;
  const size_t size_bytes = (size_t)(plate->rows * plate->columns) * sizeof(double);
  for (int i = 0; i < 2; ++i) heat_edges(plate, plate->grids[i] = pages(size_bytes));
  plate->barrier = pages(sizeof *plate->barrier);
  CHECK(gallocy_pthread_barrier_init(plate->barrier, NULL, (unsigned)threads) == 0);
  run_all((int)threads, work, plate);

  struct plate alone = *plate;
  for (int i = 0; i < 2; ++i) {
    alone.grids[i] = calloc(1, size_bytes);
    CHECK(alone.grids[i] != NULL);
    heat_edges(&alone, alone.grids[i]);
  }
  for (long round = 0; round < rounds; ++round) relax(&alone, round, 1, rows - 1);
  const double* ours = plate->grids[rounds % 2];
  if (memcmp(ours, alone.grids[rounds % 2], size_bytes) != 0) {
    puts("jacobi: not what one thread computes");
    return 1;
  }
  printf("jacobi: %ld x %ld, %ld rounds, %ld threads on %d nodes, %.3f s, middle %.6f\nOK\n",
         rows, plate->columns, rounds, threads, gallocy_node_count(), run_seconds,
         ours[rows / 2 * plate->columns + plate->columns / 2]);
  for (int i = 0; i < 2; ++i) free(alone.grids[i]);
  return 0;
}
