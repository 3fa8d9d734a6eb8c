// Read-write locks: readers together and writers alone over all nodes, limits of time, deadlocks,
// bad arguments.
#include <errno.h>

#include "support.h"

enum { thread_count = 6, round_count = 60 };

struct Table {
  pthread_rwlock_t lock;
  long left, right;  // equal whenever nobody writes
  int writers, readers, together, reading, may_end;
};

static void* use(void* argument) {
  struct Table* table = argument;
  for (int round = 0; round < round_count; ++round) {
    if (round % 4 == 0) {
      REQUIRE(gallocy_pthread_rwlock_wrlock(&table->lock) == 0);
      REQUIRE(__atomic_add_fetch(&table->writers, 1, __ATOMIC_SEQ_CST) == 1);
      REQUIRE(__atomic_load_n(&table->readers, __ATOMIC_SEQ_CST) == 0);
      ++table->left;
      ++table->right;
      __atomic_sub_fetch(&table->writers, 1, __ATOMIC_SEQ_CST);
    } else {
      REQUIRE(gallocy_pthread_rwlock_rdlock(&table->lock) == 0);
      if (__atomic_add_fetch(&table->readers, 1, __ATOMIC_SEQ_CST) > 1) set(&table->together);
      REQUIRE(table->left == table->right);
      REQUIRE(__atomic_load_n(&table->writers, __ATOMIC_SEQ_CST) == 0);
      __atomic_sub_fetch(&table->readers, 1, __ATOMIC_SEQ_CST);
    }
    REQUIRE(gallocy_pthread_rwlock_unlock(&table->lock) == 0);
  }
  return NULL;
}

static void* read_on(void* argument) {
  struct Table* table = argument;
  REQUIRE(gallocy_pthread_rwlock_rdlock(&table->lock) == 0);
  set(&table->reading);
  wait_for(&table->may_end);
  REQUIRE(gallocy_pthread_rwlock_unlock(&table->lock) == 0);
  return NULL;
}
static void* try_to_read(void* lock) {
  const int status = gallocy_pthread_rwlock_tryrdlock(lock);
  if (status == 0) REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);
  return (void*)(long)status;
}
static void* write_it(void* lock) {
  REQUIRE(gallocy_pthread_rwlock_wrlock(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);
  return NULL;
}

static void test_rules(int node) {
  struct Table* table = gallocy_calloc(1, sizeof *table);  // as PTHREAD_RWLOCK_INITIALIZER
  pthread_rwlock_t* lock = &table->lock;
  const struct timespec past = {0, 0}, wrong = {0, 1000000000};
  struct timespec soon;

  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == EPERM);
  REQUIRE(gallocy_pthread_rwlock_wrlock(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_wrlock(lock) == EDEADLK);
  REQUIRE(gallocy_pthread_rwlock_rdlock(lock) == EDEADLK);
  REQUIRE(gallocy_pthread_rwlock_trywrlock(lock) == EBUSY);
  REQUIRE(gallocy_pthread_rwlock_tryrdlock(lock) == EBUSY);
  REQUIRE(run_on(node, try_to_read, lock) == (void*)EBUSY);
  REQUIRE(gallocy_pthread_rwlock_destroy(lock) == EBUSY);
  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);

  pthread_t reader = start_on(node, read_on, table);
  wait_for(&table->reading);
  REQUIRE(gallocy_pthread_rwlock_trywrlock(lock) == EBUSY);
  soon = after_ms(CLOCK_REALTIME, 20);
  REQUIRE(gallocy_pthread_rwlock_timedwrlock(lock, &soon) == ETIMEDOUT);
  REQUIRE(is_over(CLOCK_REALTIME, soon));
  soon = after_ms(CLOCK_MONOTONIC, 20);
  REQUIRE(gallocy_pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
  REQUIRE(is_over(CLOCK_MONOTONIC, soon));
  REQUIRE(gallocy_pthread_rwlock_timedrdlock(lock, &past) == 0);
  REQUIRE(gallocy_pthread_rwlock_wrlock(lock) == EDEADLK);
  // A writer waits, so readers come no more; but a thread that reads does not wait for itself.
  pthread_t writer = start_on(node, write_it, lock);
  void* status = NULL;
  for (int i = 0; i < 20000 && status == NULL; ++i, usleep(500))
    status = run_on(node, try_to_read, lock);
  REQUIRE(status == (void*)EBUSY);
  REQUIRE(gallocy_pthread_rwlock_rdlock(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);
  soon = after_ms(CLOCK_REALTIME, 20);
  REQUIRE(gallocy_pthread_rwlock_timedrdlock(lock, &soon) == ETIMEDOUT);
  soon = after_ms(CLOCK_MONOTONIC, 20);
  REQUIRE(gallocy_pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
  set(&table->may_end);
  join(reader);
  join(writer);
  REQUIRE(gallocy_pthread_rwlock_timedwrlock(lock, &past) == 0);
  REQUIRE(gallocy_pthread_rwlock_timedrdlock(lock, &wrong) == EINVAL);
  REQUIRE(gallocy_pthread_rwlock_clockwrlock(lock, 99, &past) == EINVAL);
  REQUIRE(gallocy_pthread_rwlock_unlock(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_destroy(lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_rdlock(lock) == EINVAL);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  for (int node = 0; node < gallocy_node_count(); ++node) test_rules(node);
  pthread_t threads[thread_count];
  struct Table* table = gallocy_calloc(1, sizeof *table);
  REQUIRE(gallocy_pthread_rwlock_init(&table->lock, NULL) == 0);
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), use, table);
  for (int i = 0; i < thread_count; ++i) join(threads[i]);
  REQUIRE(table->left == thread_count * round_count / 4 && table->left == table->right);
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  REQUIRE(gallocy_pthread_rwlock_init(&table->lock, &attr) == ENOTSUP);
  pthread_rwlock_t local;
  REQUIRE(gallocy_pthread_rwlock_init(&local, NULL) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  printf("OK\n");
  return 0;
}
