// Semaphores: tokens between all nodes, limits of time, cancelled waiters, bad arguments.
#include <errno.h>
#include <limits.h>

#include "support.h"

enum { thread_count = 6, round_count = 60, token_count = 2 };

struct Tokens {
  sem_t tokens;
  int holders, total;
};

static void* use(void* argument) {
  struct Tokens* shared = argument;
  for (int round = 0; round < round_count; ++round) {
    REQUIRE(gallocy_sem_wait(&shared->tokens) == 0);
    REQUIRE(__atomic_add_fetch(&shared->holders, 1, __ATOMIC_SEQ_CST) <= token_count);
    __atomic_add_fetch(&shared->total, 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&shared->holders, 1, __ATOMIC_SEQ_CST);
    REQUIRE(gallocy_sem_post(&shared->tokens) == 0);
  }
  return NULL;
}

static void* wait_it(void* semaphore) {
  REQUIRE(gallocy_sem_wait(semaphore) == 0);
  return NULL;
}

// While main() looks whether it waits, it may meet a semaphore that is destroyed just now.
static void* wait_until_there(void* semaphore) {
  while (gallocy_sem_wait(semaphore) != 0) REQUIRE(errno == EINVAL);
  return NULL;
}

static int value_of(sem_t* semaphore) {
  int value = -1;
  REQUIRE(gallocy_sem_getvalue(semaphore, &value) == 0);
  return value;
}

static void expect(int result, int error) {
  REQUIRE(result == -1 && errno == error);
  errno = 0;
}

// Cancelled while it waits it takes nothing away.
static void test_cancel(sem_t* semaphore, int node) {
  REQUIRE(gallocy_sem_init(semaphore, 0, 0) == 0);
  for (int round = 0; round < 10; ++round) {
    pthread_t thread = start_on(node, wait_it, semaphore);
    if (round % 2 == 0) usleep(3000);
    REQUIRE(gallocy_pthread_cancel(thread) == 0);
    REQUIRE(gallocy_sem_post(semaphore) == 0);
    const int taken = join(thread) != PTHREAD_CANCELED;
    REQUIRE(value_of(semaphore) == 1 - taken);
    if (taken == 0) REQUIRE(gallocy_sem_trywait(semaphore) == 0);
  }
}

static void test_rules(sem_t* semaphore) {
  const struct timespec past = {0, 0}, wrong = {0, 1000000000};
  expect(gallocy_sem_wait(semaphore), EINVAL);
  REQUIRE(gallocy_sem_init(semaphore, 0, 2) == 0);
  errno = 77;
  REQUIRE(gallocy_sem_trywait(semaphore) == 0 && gallocy_sem_timedwait(semaphore, &past) == 0);
  REQUIRE(errno == 77 && value_of(semaphore) == 0);
  expect(gallocy_sem_trywait(semaphore), EAGAIN);
  struct timespec soon = after_ms(CLOCK_REALTIME, 20);
  expect(gallocy_sem_timedwait(semaphore, &soon), ETIMEDOUT);
  REQUIRE(is_over(CLOCK_REALTIME, soon));
  soon = after_ms(CLOCK_MONOTONIC, 20);
  expect(gallocy_sem_clockwait(semaphore, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
  REQUIRE(is_over(CLOCK_MONOTONIC, soon));
  expect(gallocy_sem_timedwait(semaphore, &wrong), EINVAL);
  expect(gallocy_sem_clockwait(semaphore, 99, &past), EINVAL);
  REQUIRE(gallocy_sem_post(semaphore) == 0 && value_of(semaphore) == 1);
  REQUIRE(gallocy_sem_init(semaphore, 0, SEM_VALUE_MAX) == 0);
  expect(gallocy_sem_post(semaphore), EOVERFLOW);
  REQUIRE(gallocy_sem_destroy(semaphore) == 0);
  expect(gallocy_sem_post(semaphore), EINVAL);
  expect(gallocy_sem_destroy(semaphore), EINVAL);
  expect(gallocy_sem_init(semaphore, 0, (unsigned)SEM_VALUE_MAX + 1), EINVAL);
  expect(gallocy_sem_init(semaphore, 1, 0), ENOTSUP);
  sem_t local;
  expect(gallocy_sem_init(&local, 0, 0), EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  REQUIRE(gallocy_sem_init(semaphore, 0, 0) == 0);
  expect(gallocy_sem_getvalue(semaphore, NULL), EINVAL);
}

static void test_busy(sem_t* semaphore) {
  REQUIRE(gallocy_sem_init(semaphore, 0, 0) == 0);
  pthread_t thread = start_on(gallocy_node_count() - 1, wait_until_there, semaphore);
  int status = 0;
  for (int i = 0; i < 2000 && status == 0; ++i) {
    usleep(5000);
    status = gallocy_sem_destroy(semaphore);
    if (status == 0) REQUIRE(gallocy_sem_init(semaphore, 0, 0) == 0);
  }
  REQUIRE(status == -1 && errno == EBUSY);
  REQUIRE(gallocy_sem_post(semaphore) == 0);
  join(thread);
  REQUIRE(gallocy_sem_destroy(semaphore) == 0);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  pthread_t threads[thread_count];
  struct Tokens* shared = gallocy_calloc(1, sizeof *shared);
  test_rules(&shared->tokens);
  for (int node = 0; node < gallocy_node_count(); ++node) test_cancel(&shared->tokens, node);
  test_busy(&shared->tokens);
  REQUIRE(gallocy_sem_init(&shared->tokens, 0, token_count) == 0);
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), use, shared);
  for (int i = 0; i < thread_count; ++i) join(threads[i]);
  REQUIRE(shared->total == thread_count * round_count && value_of(&shared->tokens) == token_count);
  printf("OK\n");
  return 0;
}
