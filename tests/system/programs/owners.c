// gallocy-run --spmd: the last rank leaves with locks that it has, while a thread of it waits for
// another. Rank 0 gets what there is, and the dead get nothing.
#include <errno.h>

#include "support.h"

struct Estate {
  pthread_mutex_t robust, plain, wanted;
  pthread_rwlock_t read, written;
  pthread_barrier_t barrier;
  int left_waiting;
};

static struct Estate* find_estate(void) {
  struct Estate* estate;
  for (int i = 0; (estate = gallocy_lookup("estate")) == NULL; ++i) {
    REQUIRE(i < 20000);
    usleep(1000);
  }
  return estate;
}

static void* want(void* argument) {
  gallocy_pthread_mutex_lock(argument);
  return NULL;
}
static void* meet(void* argument) {
  gallocy_pthread_barrier_wait(argument);
  return NULL;
}

static void leave(struct Estate* estate) {
  REQUIRE(gallocy_pthread_mutex_lock(&estate->robust) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(&estate->plain) == 0);
  REQUIRE(gallocy_pthread_rwlock_rdlock(&estate->read) == 0);
  REQUIRE(gallocy_pthread_rwlock_wrlock(&estate->written) == 0);
  start_on(gallocy_node(), want, &estate->wanted);
  start_on(gallocy_node(), meet, &estate->barrier);
  usleep(20000);  // most often they wait by now
  set(&estate->left_waiting);
  _exit(0);
}

static void inherit(struct Estate* estate) {
  REQUIRE(gallocy_pthread_mutex_lock(&estate->robust) == EOWNERDEAD);
  REQUIRE(gallocy_pthread_mutex_consistent(&estate->robust) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&estate->robust) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(&estate->plain) == 0);
  REQUIRE(gallocy_pthread_rwlock_wrlock(&estate->read) == 0);
  REQUIRE(gallocy_pthread_rwlock_wrlock(&estate->written) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&estate->wanted) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(&estate->wanted) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&estate->wanted) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&estate->plain) == 0);
  REQUIRE(gallocy_pthread_rwlock_unlock(&estate->read) == 0);
  REQUIRE(gallocy_pthread_rwlock_unlock(&estate->written) == 0);
  pthread_t other = start_on(gallocy_node(), meet, &estate->barrier);
  REQUIRE(gallocy_pthread_barrier_wait(&estate->barrier) <= 0);
  join(other);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  if (gallocy_rank() == 0) {
    struct Estate* estate = gallocy_calloc(1, sizeof *estate);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    REQUIRE(gallocy_pthread_mutex_init(&estate->robust, &attr) == 0);
    REQUIRE(gallocy_pthread_barrier_init(&estate->barrier, NULL, 2) == 0);
    REQUIRE(gallocy_pthread_mutex_lock(&estate->wanted) == 0);
    REQUIRE(gallocy_publish("estate", estate) == 0);
    wait_for(&estate->left_waiting);
    inherit(estate);
    puts("OK");
  } else if (gallocy_rank() == gallocy_size() - 1) {
    leave(find_estate());
  }
  return 0;
}
