/*
 * fft [SIDE [THREADS]]: the Fourier transform of SIDE * SIDE complex points in six steps, as a
 * square matrix: transpose, transform the rows, turn them, transpose, transform the rows,
 * transpose. Each thread has a band of rows; each transposition moves almost all of it between
 * nodes. SIDE is a power of two.
 */
#include <complex.h>
#include <math.h>

#include "bench/programs/team.h"

#define TURN 6.283185307179586

typedef double complex number;

struct job {
  long side;
  number *data, *other;
  pthread_barrier_t* barrier;
};

static void transpose(const number* from, number* to, long side, long begin, long end) {
  enum { TILE = 16 };
  for (long column = 0; column < side; column += TILE)
    for (long row = begin; row < end; ++row)
      for (long i = column; i < column + TILE && i < side; ++i)
        to[row * side + i] = from[i * side + row];
}

static void transform_row(number* row, long count) {
  for (long i = 1, j = 0; i < count; ++i) {
    long bit = count >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i < j) {
      const number kept = row[i];
      row[i] = row[j];
      row[j] = kept;
    }
  }
  for (long length = 2; length <= count; length *= 2) {
    const number step = cexp(-I * TURN / (double)length);
    for (long begin = 0; begin < count; begin += length) {
      number factor = 1;
      for (long i = begin; i < begin + length / 2; ++i, factor *= step) {
        const number odd = row[i + length / 2] * factor;
        row[i + length / 2] = row[i] - odd;
        row[i] += odd;
      }
    }
  }
}

static void turn_row(number* row, long index, long side) {
  for (long i = 0; i < side; ++i)
    row[i] *= cexp(-I * TURN * (double)(index * i) / (double)(side * side));
}

/* Rows begin .. end of the whole; `barrier` is NULL for who does it alone. */
static void transform(const struct job* job, pthread_barrier_t* barrier, long begin, long end) {
  const long side = job->side;
  number* const step[4][2] = {{job->data, job->other}, {job->other, job->data},
                              {job->data, job->other}};
  for (int i = 0; i < 3; ++i) {
    transpose(step[i][0], step[i][1], side, begin, end);
    for (long row = begin; i < 2 && row < end; ++row) {
      transform_row(step[i][1] + row * side, side);
      if (i == 0) turn_row(step[i][1] + row * side, row, side);
    }
    if (barrier != NULL) meet(barrier);
  }
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  transform(job, job->barrier, begin_of(part, job->side), end_of(part, job->side));
  return NULL;
}

static void fill(number* data, long count) {
  uint64_t state = 3;
  for (long i = 0; i < count; ++i) {
    const double real = next_fraction(&state);
    data[i] = real + I * next_fraction(&state);
  }
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->side = argument(argc, argv, 1, 128, 2);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  if ((job->side & (job->side - 1)) != 0) {
    fprintf(stderr, "fft: not a power of two: %ld\n", job->side);
    return 64;
  }
  const size_t size_bytes = (size_t)(job->side * job->side) * sizeof(number);
  job->data = pages(size_bytes);
  job->other = pages(size_bytes);
  job->barrier = new_barrier(threads);
  fill(job->data, job->side * job->side);
  run_all((int)threads, work, job);

  struct job alone = {job->side, malloc(size_bytes), malloc(size_bytes), NULL};
  CHECK(alone.data != NULL && alone.other != NULL);
  fill(alone.data, job->side * job->side);
  transform(&alone, NULL, 0, job->side);
  return verdict("fft", memcmp(alone.other, job->other, size_bytes) == 0, job->side, threads);
}
