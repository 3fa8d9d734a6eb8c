/*
 * blackscholes [OPTIONS [THREADS]]: prices European options by the formula of Black and Scholes,
 * 100 times each. Each thread has a run of options; nothing is shared but what they read at first.
 */
#include <math.h>

#include "bench/programs/team.h"

enum { ROUNDS = 100 };

struct option {
  double spot, strike, rate, volatility, years;
};

struct job {
  long count;
  struct option* options;
  double* prices;
};

static double normal(double x) { return 0.5 * erfc(-x / sqrt(2)); }

static double price(const struct option* option, int round) {
  const double strike = option->strike + round; /* or there would be nothing to compute again */
  const double spread = option->volatility * sqrt(option->years);
  const double d1 =
      (log(option->spot / strike) +
       (option->rate + option->volatility * option->volatility / 2) * option->years) / spread;
  return option->spot * normal(d1) -
         strike * exp(-option->rate * option->years) * normal(d1 - spread);
}

static void price_all(const struct job* job, double* prices, long begin, long end) {
  for (int round = 0; round < ROUNDS; ++round)
    for (long i = begin; i < end; ++i) prices[i] += price(&job->options[i], round);
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  price_all(job, job->prices, begin_of(part, job->count), end_of(part, job->count));
  return NULL;
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->count = argument(argc, argv, 1, 20000, 1);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  job->options = pages((size_t)job->count * sizeof *job->options);
  job->prices = pages((size_t)job->count * sizeof *job->prices);
  uint64_t state = 1;
  for (long i = 0; i < job->count; ++i)
    job->options[i] = (struct option){50 + 100 * next_fraction(&state),
                                      50 + 100 * next_fraction(&state), 0.03,
                                      0.1 + 0.4 * next_fraction(&state),
                                      0.5 + 2 * next_fraction(&state)};
  run_all((int)threads, work, job);
  double* alone = calloc((size_t)job->count, sizeof *alone);
  CHECK(alone != NULL);
  price_all(job, alone, 0, job->count);
  return verdict("blackscholes",
                 memcmp(alone, job->prices, (size_t)job->count * sizeof *alone) == 0, job->count,
                 threads);
}
