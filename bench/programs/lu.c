/*
 * lu [SIZE [THREADS]]: factors a matrix into a lower and an upper triangle, without pivoting, in
 * blocks of 32 x 32 that each lie on two pages of their own. Blocks are dealt out in turn; between
 * steps all threads meet. SIZE is rounded up to whole blocks.
 */
#include "bench/programs/team.h"

enum { SIDE = 32, BLOCK = SIDE * SIDE };

struct job {
  long blocks; /* of a row and of a column */
  double* data;
  pthread_barrier_t* barrier;
};

static double* block_at(const struct job* job, long row, long column) {
  return job->data + (row * job->blocks + column) * BLOCK;
}

static void factor(double* a) {
  for (int k = 0; k < SIDE; ++k)
    for (int i = k + 1; i < SIDE; ++i) {
      a[i * SIDE + k] /= a[k * SIDE + k];
      for (int j = k + 1; j < SIDE; ++j) a[i * SIDE + j] -= a[i * SIDE + k] * a[k * SIDE + j];
    }
}

/* A block right of the diagonal one. */
static void solve_lower(const double* diagonal, double* a) {
  for (int k = 0; k < SIDE; ++k)
    for (int i = k + 1; i < SIDE; ++i)
      for (int j = 0; j < SIDE; ++j) a[i * SIDE + j] -= diagonal[i * SIDE + k] * a[k * SIDE + j];
}

/* A block below it. */
static void solve_upper(const double* diagonal, double* a) {
  for (int i = 0; i < SIDE; ++i)
    for (int k = 0; k < SIDE; ++k) {
      a[i * SIDE + k] /= diagonal[k * SIDE + k];
      for (int j = k + 1; j < SIDE; ++j)
        a[i * SIDE + j] -= a[i * SIDE + k] * diagonal[k * SIDE + j];
    }
}

static void subtract_product(const double* left, const double* right, double* a) {
  for (int i = 0; i < SIDE; ++i)
    for (int k = 0; k < SIDE; ++k)
      for (int j = 0; j < SIDE; ++j) a[i * SIDE + j] -= left[i * SIDE + k] * right[k * SIDE + j];
}

static void decompose(const struct job* job, pthread_barrier_t* barrier, long index, long count) {
  for (long k = 0; k < job->blocks; ++k) {
    const double* const diagonal = block_at(job, k, k);
    if (k % count == index) factor(block_at(job, k, k));
    if (barrier != NULL) meet(barrier);
    for (long i = k + 1; i < job->blocks; ++i) {
      if (i % count != index) continue;
      solve_lower(diagonal, block_at(job, k, i));
      solve_upper(diagonal, block_at(job, i, k));
    }
    if (barrier != NULL) meet(barrier);
    for (long i = k + 1; i < job->blocks; ++i)
      for (long j = k + 1; i % count == index && j < job->blocks; ++j)
        subtract_product(block_at(job, i, k), block_at(job, k, j), block_at(job, i, j));
    if (barrier != NULL) meet(barrier);
  }
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  decompose(job, job->barrier, part->index, part->count);
  return NULL;
}

/* The diagonal outweighs the rest, so that no pivoting is needed. */
static void fill(const struct job* job) {
  uint64_t state = 5;
  for (long i = 0; i < job->blocks * job->blocks * BLOCK; ++i)
    job->data[i] = next_fraction(&state);
  for (long i = 0; i < job->blocks; ++i)
    for (int k = 0; k < SIDE; ++k)
      block_at(job, i, i)[k * SIDE + k] += (double)job->blocks * SIDE;
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  const long size = argument(argc, argv, 1, 256, 1);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  job->blocks = (size + SIDE - 1) / SIDE;
  const size_t size_bytes = (size_t)(job->blocks * job->blocks) * BLOCK * sizeof(double);
  job->data = pages(size_bytes);
  job->barrier = new_barrier(threads);
  fill(job);
  run_all((int)threads, work, job);

  struct job alone = {job->blocks, malloc(size_bytes), NULL};
  CHECK(alone.data != NULL);
  fill(&alone);
  decompose(&alone, NULL, 0, 1);
  return verdict("lu", memcmp(alone.data, job->data, size_bytes) == 0, size, threads);
}
