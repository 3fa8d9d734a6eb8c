// Mutexes of every kind, from every node: relocks, limits of time, owners that end, bad arguments.
#include <errno.h>

#include "support.h"

struct Place {
  pthread_mutex_t mutex;
  long counter;
  int locked, may_end;
};

static void make(pthread_mutex_t* mutex, int type, int robust) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, type);
  pthread_mutexattr_setrobust(&attr, robust);
  REQUIRE(gallocy_pthread_mutex_init(mutex, &attr) == 0);
}

static void* try_it(void* place) {
  return (void*)(long)gallocy_pthread_mutex_trylock(&((struct Place*)place)->mutex);
}
static void* unlock_it(void* place) {
  return (void*)(long)gallocy_pthread_mutex_unlock(&((struct Place*)place)->mutex);
}
static void* end_with_it(void* argument) {
  struct Place* place = argument;
  const int status = gallocy_pthread_mutex_lock(&place->mutex);
  REQUIRE(status == 0 || status == EOWNERDEAD);
  set(&place->locked);
  wait_for(&place->may_end);
  return (void*)(long)status;
}
static void* hold_it(void* argument) {
  void* result = end_with_it(argument);
  REQUIRE(gallocy_pthread_mutex_unlock(&((struct Place*)argument)->mutex) == 0);
  return result;
}
static void* count_with_it(void* argument) {
  struct Place* place = argument;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(&place->mutex) == 0);
    ++place->counter;
    REQUIRE(gallocy_pthread_mutex_unlock(&place->mutex) == 0);
  }
  return NULL;
}

static void test_kinds(struct Place* place, int node) {
  pthread_mutex_t* mutex = &place->mutex;
  for (int robust = PTHREAD_MUTEX_STALLED; robust <= PTHREAD_MUTEX_ROBUST; ++robust) {
    make(mutex, PTHREAD_MUTEX_NORMAL, robust);
    REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
    REQUIRE(run_on(node, try_it, place) == (void*)EBUSY);
    REQUIRE(run_on(node, unlock_it, place) == (void*)EPERM);
    REQUIRE(gallocy_pthread_mutex_trylock(mutex) == EBUSY);
    REQUIRE(gallocy_pthread_mutex_destroy(mutex) == EBUSY);
    REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_unlock(mutex) == EPERM);
    REQUIRE(gallocy_pthread_mutex_consistent(mutex) == EINVAL);

    make(mutex, PTHREAD_MUTEX_RECURSIVE, robust);
    REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0 && gallocy_pthread_mutex_lock(mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
    REQUIRE(run_on(node, try_it, place) == (void*)EBUSY);
    REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);

    make(mutex, PTHREAD_MUTEX_ERRORCHECK, robust);
    REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_lock(mutex) == EDEADLK);
    REQUIRE(gallocy_pthread_mutex_trylock(mutex) == EBUSY);
    REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_destroy(mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_lock(mutex) == EINVAL);
  }
}

static void test_time(struct Place* place, int node) {
  pthread_mutex_t* mutex = &place->mutex;
  const struct timespec past = {1, 0}, wrong = {1, 1000000000}, negative = {1, -1};
  *mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &past) == 0);
  struct timespec soon = after_ms(CLOCK_REALTIME, 20);
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &soon) == ETIMEDOUT);
  REQUIRE(is_over(CLOCK_REALTIME, soon));
  soon = after_ms(CLOCK_MONOTONIC, 20);
  REQUIRE(gallocy_pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
  REQUIRE(is_over(CLOCK_MONOTONIC, soon));
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &past) == ETIMEDOUT);
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &wrong) == EINVAL);
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &negative) == EINVAL);
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, NULL) == EINVAL);
  REQUIRE(gallocy_pthread_mutex_clocklock(mutex, CLOCK_PROCESS_CPUTIME_ID, &past) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "CLOCK_MONOTONIC") != NULL);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  // The owner ends its hold before the time is over.
  pthread_t holder = start_on(node, hold_it, place);
  wait_for(&place->locked);
  set(&place->may_end);
  const struct timespec late = after_ms(CLOCK_REALTIME, 60000);
  REQUIRE(gallocy_pthread_mutex_timedlock(mutex, &late) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE(join(holder) == NULL);
}

static void test_robust(struct Place* place, int node) {
  pthread_mutex_t* mutex = &place->mutex;
  place->locked = place->may_end = 0;
  make(mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  pthread_t owner = start_on(node, end_with_it, place);
  wait_for(&place->locked);
  REQUIRE(gallocy_pthread_mutex_trylock(mutex) == EBUSY);
  set(&place->may_end);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == EOWNERDEAD);
  REQUIRE(strstr(gallocy_last_error(), "consistent") != NULL);
  join(owner);
  REQUIRE(gallocy_pthread_mutex_consistent(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  // Who has joined the owner finds it so at once.
  REQUIRE(run_on(node, end_with_it, place) == NULL);
  REQUIRE(gallocy_pthread_mutex_trylock(mutex) == EOWNERDEAD);
  REQUIRE(gallocy_pthread_mutex_consistent(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE(run_on(node, end_with_it, place) == NULL);
  REQUIRE(run_on(node, end_with_it, place) == (void*)EOWNERDEAD);
  REQUIRE(run_on(node, try_it, place) == (void*)EOWNERDEAD);  // ends with it, too
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == EOWNERDEAD);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE(run_on(node, try_it, place) == (void*)ENOTRECOVERABLE);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == ENOTRECOVERABLE);
  REQUIRE(gallocy_pthread_mutex_destroy(mutex) == 0);
  make(mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
  REQUIRE(run_on(node, end_with_it, place) == NULL);
  REQUIRE(gallocy_pthread_mutex_trylock(mutex) == EBUSY);
  make(mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);  // anew
  REQUIRE(gallocy_pthread_mutex_trylock(mutex) == 0);
}

static void test_contention(struct Place* place) {
  enum { thread_count = 6 };
  pthread_t threads[thread_count];
  place->counter = 0;
  REQUIRE(gallocy_pthread_mutex_init(&place->mutex, NULL) == 0);
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), count_with_it, place);
  for (int i = 0; i < thread_count; ++i) join(threads[i]);
  REQUIRE(place->counter == 200 * thread_count);
}

static void test_arguments(void) {
  pthread_mutex_t local = PTHREAD_MUTEX_INITIALIZER;
  REQUIRE(gallocy_pthread_mutex_init(&local, NULL) == EINVAL);
  REQUIRE(gallocy_pthread_mutex_lock(&local) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  char* block = gallocy_malloc(2 * sizeof local);
  memset(block, 0x55, 2 * sizeof local);
  REQUIRE(gallocy_pthread_mutex_lock((pthread_mutex_t*)block) == EINVAL);
  REQUIRE(gallocy_pthread_mutex_init((pthread_mutex_t*)(block + 1), NULL) == EINVAL);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT);
  REQUIRE(gallocy_pthread_mutex_init((pthread_mutex_t*)block, &attr) == ENOTSUP);
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  REQUIRE(gallocy_pthread_mutex_init((pthread_mutex_t*)block, &attr) == ENOTSUP);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  for (int node = 0; node < gallocy_node_count(); ++node) {
    struct Place* place = gallocy_calloc(1, sizeof *place);
    test_kinds(place, node);
    test_time(place, node);
    test_robust(place, node);
  }
  test_contention(gallocy_calloc(1, sizeof(struct Place)));
  test_arguments();
  printf("OK\n");
  return 0;
}
