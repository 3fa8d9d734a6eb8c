/*
 * ocean [SIDE [THREADS]]: relaxes a grid to the solution of Laplace's equation by turns of red and
 * black points, at most 200 times, until no point changes by much. Each thread has a band of rows
 * and reads its neighbours' edges; after each turn all tell, under a lock, by how much theirs have
 * changed.
 */
#include <math.h>

#include "bench/programs/team.h"

enum { ROUNDS_MAX = 200 };
static const double enough = 1e-6;

struct change { /* on a page of its own */
  pthread_mutex_t lock;
  double most[2]; /* in rounds of even and of odd number */
};

struct job {
  long side;
  double* grid;
  struct change* change;
  pthread_barrier_t* barrier;
};

static double relax(double* grid, long side, long begin, long end, int colour) {
  double most = 0;
  for (long row = begin; row < end; ++row)
    for (long i = 1 + (row + colour) % 2; i < side - 1; i += 2) {
      double* const point = grid + row * side + i;
      const double mean = (point[-1] + point[1] + point[-side] + point[side]) / 4;
      const double change = 1.5 * (mean - *point); /* relaxed beyond the mean */
      *point += change;
      if (fabs(change) > most) most = fabs(change);
    }
  return most;
}

static void tell(struct change* change, int round, double most) {
  CHECK(gallocy_pthread_mutex_lock(&change->lock) == 0);
  if (most > change->most[round % 2]) change->most[round % 2] = most;
  change->most[(round + 1) % 2] = 0; /* nobody reads that any more */
  CHECK(gallocy_pthread_mutex_unlock(&change->lock) == 0);
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  const long begin = 1 + begin_of(part, job->side - 2), end = 1 + end_of(part, job->side - 2);
  for (int round = 0; round < ROUNDS_MAX; ++round) {
    double most = relax(job->grid, job->side, begin, end, 0);
    meet(job->barrier);
    most = fmax(most, relax(job->grid, job->side, begin, end, 1));
    tell(job->change, round, most);
    meet(job->barrier);
    const double all = job->change->most[round % 2];
    meet(job->barrier);
    if (all < enough) break;
  }
  return NULL;
}

static void relax_alone(double* grid, long side) {
  for (int round = 0; round < ROUNDS_MAX; ++round) {
    const double red = relax(grid, side, 1, side - 1, 0);
    if (fmax(red, relax(grid, side, 1, side - 1, 1)) < enough) break;
  }
}

static void heat_edges(double* grid, long side) {
  for (long i = 0; i < side; ++i) {
    grid[i] = 1;
    grid[i * side] = (double)i / (double)side;
  }
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->side = argument(argc, argv, 1, 256, 4);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  const size_t size_bytes = (size_t)(job->side * job->side) * sizeof(double);
  job->grid = pages(size_bytes);
  job->change = pages(sizeof *job->change);
  CHECK(gallocy_pthread_mutex_init(&job->change->lock, NULL) == 0);
  job->barrier = new_barrier(threads);
  heat_edges(job->grid, job->side);
  run_all((int)threads, work, job);

  double* alone = calloc(1, size_bytes);
  CHECK(alone != NULL);
  heat_edges(alone, job->side);
  relax_alone(alone, job->side);
  return verdict("ocean", memcmp(alone, job->grid, size_bytes) == 0, job->side, threads);
}
