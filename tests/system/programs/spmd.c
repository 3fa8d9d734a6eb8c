// gallocy-run --spmd: main() goes on in every rank. They find each other by name, count under one
// mutex, make threads on each other's nodes, and leave one by one: some return, some end by
// gallocy_pthread_exit, which keeps their process until the last thread of the job has ended.
#include <stdlib.h>
#include <time.h>

#include "support.h"

enum { rounds = 200 };

struct Meeting {
  pthread_mutex_t lock;
  long count;
  int ended;
  int joined;
};

static struct Meeting* meet(void) {
  if (gallocy_rank() == 0) {
    struct Meeting* made = gallocy_calloc(1, sizeof *made);
    REQUIRE(gallocy_pthread_mutex_init(&made->lock, NULL) == 0);
    REQUIRE(gallocy_publish("meeting", made) == 0);
  }
  const struct timespec pause = {0, 1000000};
  struct Meeting* found;
  for (int i = 0; (found = gallocy_lookup("meeting")) == NULL; ++i) {
    REQUIRE(i < 20000);
    nanosleep(&pause, NULL);
  }
  return found;
}

static void* count(void* context) {
  struct Meeting* meeting = context;
  for (int i = 0; i < rounds; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(&meeting->lock) == 0);
    ++meeting->count;
    REQUIRE(gallocy_pthread_mutex_unlock(&meeting->lock) == 0);
  }
  return (void*)(long)gallocy_node();
}

// How many ranks have joined the thread that they made.
static int joined(struct Meeting* meeting, int more) {
  REQUIRE(gallocy_pthread_mutex_lock(&meeting->lock) == 0);
  const int joined = meeting->joined += more;
  REQUIRE(gallocy_pthread_mutex_unlock(&meeting->lock) == 0);
  return joined;
}

static int ended(struct Meeting* meeting, int more) {
  REQUIRE(gallocy_pthread_mutex_lock(&meeting->lock) == 0);
  const int ended = meeting->ended += more;
  REQUIRE(gallocy_pthread_mutex_unlock(&meeting->lock) == 0);
  return ended;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_pthread_self() != 0);
  const int size = gallocy_size(), rank = gallocy_rank();
  struct Meeting* meeting = meet();
  const int next = (gallocy_node() + 1) % gallocy_node_count();
  REQUIRE((int)(long)run_on(next, count, meeting) == next);
  joined(meeting, 1);
  count(meeting);
  ended(meeting, 1);
  const struct timespec pause = {0, 1000000};
  if (rank != 0 && rank % 2 == 0) {  // its process takes with it whatever thread runs there still
    for (int i = 0; joined(meeting, 0) < size; ++i) {
      REQUIRE(i < 20000);
      nanosleep(&pause, NULL);
    }
    return 0;
  }
  if (rank != 0) gallocy_pthread_exit(NULL);
  for (int i = 0; ended(meeting, 0) < size; ++i) {
    REQUIRE(i < 20000);
    nanosleep(&pause, NULL);
  }
  REQUIRE(meeting->count == 2L * size * rounds);
  puts("OK");
  fflush(stdout);
  gallocy_pthread_exit(NULL);
}
