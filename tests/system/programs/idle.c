// For the failure tests: one thread on each node counts on a shared page under a lock, so that
// there is always a fault or a lock under way, until the job is ended from outside. Prints
// "running PID" of each rank's process.
#include "support.h"

struct shared {
  pthread_mutex_t lock;
  volatile long count;
};

static void* work(void* argument) {
  struct shared* shared = argument;
  printf("running %d\n", (int)getpid());
  fflush(stdout);
  for (;;) {
    REQUIRE(gallocy_pthread_mutex_lock(&shared->lock) == 0);
    ++shared->count;
    REQUIRE(gallocy_pthread_mutex_unlock(&shared->lock) == 0);
  }
  return NULL;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  REQUIRE(gallocy_pthread_mutex_init(&shared->lock, NULL) == 0);
  pthread_t thread;
  for (int node = 0; node < gallocy_node_count(); ++node)
    REQUIRE(gallocy_pthread_create_on(&thread, NULL, work, shared, node) == 0);
  REQUIRE(gallocy_pthread_join(thread, NULL) == 0);
  return 0;
}
