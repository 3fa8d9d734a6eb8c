/*
 * false_sharing [INCREMENTS [THREADS]]: each thread increments a word of its own, each time under a
 * lock that all share. The words lie on one page, and it is that page which goes back and forth.
 */
#include "bench/programs/team.h"

struct job {
  long increments; /* of each thread */
  pthread_mutex_t* lock;
  volatile long* words;
};

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  for (long i = 0; i < job->increments; ++i) {
    CHECK(gallocy_pthread_mutex_lock(job->lock) == 0);
    ++job->words[part->index];
    CHECK(gallocy_pthread_mutex_unlock(job->lock) == 0);
  }
  return NULL;
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->increments = argument(argc, argv, 1, 500, 1);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  job->lock = pages(sizeof *job->lock);
  CHECK(gallocy_pthread_mutex_init(job->lock, NULL) == 0);
  job->words = pages((size_t)threads * sizeof *job->words);
  run_all((int)threads, work, job);
  int right = 1;
  for (long i = 0; i < threads; ++i) right &= job->words[i] == job->increments;
  return verdict("false_sharing", right, job->increments, threads);
}
