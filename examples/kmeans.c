/*
 * kmeans [POINTS [CLUSTERS [ROUNDS [THREADS]]]]
 *
 * Lloyd's method on points of two integer coordinates, a fixed number of rounds. In each round
 * every thread adds its points to sums of its own, on a page of its own; one thread, the one that
 * the barrier picks, makes new centres of them; all read these. Integers, so that the order of
 * additions does not matter and the answer equals that of one thread that does it alone.
 */
#include "support.h"

enum { CLUSTERS_MAX = 64 };

struct point {
  int64_t x, y;
};

struct sums { /* of one thread, of one round */
  struct point total[CLUSTERS_MAX];
  int64_t count[CLUSTERS_MAX];
};

struct job {
  long points, clusters, rounds;
  struct point* data;
  struct point* centres; /* of this round */
  struct sums** sums;    /* by thread */
  pthread_barrier_t* barrier;
};

static int64_t distance(struct point a, struct point b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

static void add_points(const struct job* job, long begin, long end, struct sums* sums) {
  memset(sums, 0, sizeof *sums);
  for (long i = begin; i < end; ++i) {
    long nearest = 0;
    for (long c = 1; c < job->clusters; ++c)
      if (distance(job->data[i], job->centres[c]) < distance(job->data[i], job->centres[nearest]))
        nearest = c;
    sums->total[nearest].x += job->data[i].x;
    sums->total[nearest].y += job->data[i].y;
    ++sums->count[nearest];
  }
}

/* An empty cluster stays where it was. */
static void move_centres(const struct job* job, struct sums* const* sums, long count) {
  for (long c = 0; c < job->clusters; ++c) {
    struct point total = {0, 0};
    int64_t members = 0;
    for (long i = 0; i < count; ++i) {
      total.x += sums[i]->total[c].x;
      total.y += sums[i]->total[c].y;
      members += sums[i]->count[c];
    }
    if (members > 0) job->centres[c] = (struct point){total.x / members, total.y / members};
  }
}

static int meet(const struct job* job) {
  const int status = gallocy_pthread_barrier_wait(job->barrier);
  CHECK(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
  return status != 0;
}

static void* work(void* context) {
  const struct part* part = context;
  const struct job* job = part->job;
  const long begin = begin_of(part, job->points), end = end_of(part, job->points);
  for (long round = 0; round < job->rounds; ++round) {
    add_points(job, begin, end, job->sums[part->index]);
    if (meet(job)) move_centres(job, job->sums, part->count);
    meet(job);
  }
  return NULL;
}

static void choose_first_centres(const struct job* job) {
  for (long c = 0; c < job->clusters; ++c)
    job->centres[c] = job->data[c * job->points / job->clusters];
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  struct job* job = pages(sizeof *job);
  job->points = argument(argc, argv, 1, 50000, 1);
  job->clusters = argument(argc, argv, 2, 8, 1);
  job->rounds = argument(argc, argv, 3, 10, 1);
  const long threads = argument(argc, argv, 4, 2L * gallocy_node_count(), 1);
  if (job->clusters > CLUSTERS_MAX || job->clusters > job->points) {
    fprintf(stderr, "kmeans: at most %d clusters, and no more than points\n", CLUSTERS_MAX);
    return 64;
  }
  job->data = pages((size_t)job->points * sizeof *job->data);
  uint64_t state = 7;
  for (long i = 0; i < job->points; ++i)
    job->data[i] = (struct point){(int64_t)(next_random(&state) % 1000000),
                                  (int64_t)(next_random(&state) % 1000000)};
  job->centres = pages(CLUSTERS_MAX * sizeof *job->centres);
  job->sums = pages((size_t)threads * sizeof *job->sums);
  for (long i = 0; i < threads; ++i) job->sums[i] = pages(sizeof **job->sums);
  job->barrier = pages(sizeof *job->barrier);
  CHECK(gallocy_pthread_barrier_init(job->barrier, NULL, (unsigned)threads) == 0);
  choose_first_centres(job);
  run_all((int)threads, work, job);

  struct point centres[CLUSTERS_MAX];
  struct job alone = *job;
  struct sums* sums = malloc(sizeof *sums);
  CHECK(sums != NULL);
  alone.centres = centres;
  choose_first_centres(&alone);
  for (long round = 0; round < alone.rounds; ++round) {
    add_points(&alone, 0, alone.points, sums);
    move_centres(&alone, &sums, 1);
  }
  free(sums);
  if (memcmp(centres, job->centres, (size_t)job->clusters * sizeof *centres) != 0) {
    puts("kmeans: not what one thread computes");
    return 1;
  }
  printf("kmeans: %ld points, %ld clusters, %ld rounds, %ld threads on %d nodes, %.3f s, first "
         "centre %ld %ld\nOK\n",
         job->points, job->clusters, job->rounds, threads, gallocy_node_count(), run_seconds,
         (long)centres[0].x, (long)centres[0].y);
  return 0;
}
