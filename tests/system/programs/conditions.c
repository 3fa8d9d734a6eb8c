// Conditions: a bounded buffer between all nodes, limits of time by both clocks, cancelled waiters,
// bad arguments.
#include <errno.h>

#include "support.h"

enum { capacity = 3, items_each = 60, producers = 3, consumers = 3 };

struct Buffer {
  pthread_mutex_t mutex;
  pthread_cond_t not_empty, not_full;
  long items[capacity];
  int count;
  long put, taken, sum;
};

static void* produce(void* argument) {
  struct Buffer* buffer = argument;
  for (int i = 0; i < items_each; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(&buffer->mutex) == 0);
    while (buffer->count == capacity)
      REQUIRE(gallocy_pthread_cond_wait(&buffer->not_full, &buffer->mutex) == 0);
    buffer->items[buffer->count++] = ++buffer->put;
    REQUIRE(gallocy_pthread_cond_signal(&buffer->not_empty) == 0);
    REQUIRE(gallocy_pthread_mutex_unlock(&buffer->mutex) == 0);
  }
  return NULL;
}

static void* consume(void* argument) {
  struct Buffer* buffer = argument;
  for (int i = 0; i < items_each; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(&buffer->mutex) == 0);
    while (buffer->count == 0)
      REQUIRE(gallocy_pthread_cond_wait(&buffer->not_empty, &buffer->mutex) == 0);
    buffer->sum += buffer->items[--buffer->count];
    ++buffer->taken;
    REQUIRE(gallocy_pthread_mutex_unlock(&buffer->mutex) == 0);
    REQUIRE(gallocy_pthread_cond_signal(&buffer->not_full) == 0);  // without the mutex
  }
  return NULL;
}

static void test_buffer(void) {
  pthread_t threads[producers + consumers];
  struct Buffer* buffer = gallocy_calloc(1, sizeof *buffer);
  REQUIRE(gallocy_pthread_cond_init(&buffer->not_empty, NULL) == 0);
  for (int i = 0; i < producers + consumers; ++i)
    threads[i] = start_on(i / 2 % gallocy_node_count(), i % 2 != 0 ? produce : consume, buffer);
  for (int i = 0; i < producers + consumers; ++i) join(threads[i]);
  const long items = producers * items_each;
  REQUIRE(buffer->taken == items && buffer->sum == items * (items + 1) / 2 && buffer->count == 0);
  REQUIRE(gallocy_pthread_cond_destroy(&buffer->not_empty) == 0);
  REQUIRE(gallocy_pthread_cond_destroy(&buffer->not_full) == 0);
}

struct Gate {
  pthread_mutex_t mutex;
  pthread_cond_t opened;
  int open, waiting, through, cleaned;
};

static void* pass(void* argument) {
  struct Gate* gate = argument;
  REQUIRE(gallocy_pthread_mutex_lock(&gate->mutex) == 0);
  ++gate->waiting;
  while (gate->open == 0)
    REQUIRE(gallocy_pthread_cond_wait(&gate->opened, &gate->mutex) == 0);
  ++gate->through;
  REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
  return NULL;
}

// Who has the mutex and sees that count knows that they wait in the queue.
static void lock_when_waiting(struct Gate* gate, int count) {
  for (int i = 0; i < 20000; ++i) {
    REQUIRE(gallocy_pthread_mutex_lock(&gate->mutex) == 0);
    if (gate->waiting == count) return;
    REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
    usleep(500);
  }
  REQUIRE(!"they wait");
}

static void test_broadcast(void) {
  enum { thread_count = 6 };
  pthread_t threads[thread_count];
  struct Gate* gate = gallocy_calloc(1, sizeof *gate);
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), pass, gate);
  lock_when_waiting(gate, thread_count);
  REQUIRE(gallocy_pthread_cond_destroy(&gate->opened) == EBUSY);
  gate->open = 1;
  REQUIRE(gallocy_pthread_cond_broadcast(&gate->opened) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
  for (int i = 0; i < thread_count; ++i) join(threads[i]);
  REQUIRE(gate->through == thread_count);
}

static void test_time(void) {
  struct Gate* gate = gallocy_calloc(1, sizeof *gate);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
  REQUIRE(gallocy_pthread_mutex_lock(&gate->mutex) == 0);
  for (int i = 0; i < 2; ++i) {
    pthread_condattr_setclock(&attr, clocks[i]);
    REQUIRE(gallocy_pthread_cond_init(&gate->opened, &attr) == 0);
    struct timespec soon = after_ms(clocks[i], 20);
    REQUIRE(gallocy_pthread_cond_timedwait(&gate->opened, &gate->mutex, &soon) == ETIMEDOUT);
    REQUIRE(is_over(clocks[i], soon));
    soon = after_ms(clocks[1 - i], 20);
    REQUIRE(gallocy_pthread_cond_clockwait(&gate->opened, &gate->mutex, clocks[1 - i], &soon) ==
            ETIMEDOUT);
    REQUIRE(is_over(clocks[1 - i], soon));
    const struct timespec past = {0, 0}, wrong = {0, -1};
    REQUIRE(gallocy_pthread_cond_timedwait(&gate->opened, &gate->mutex, &past) == ETIMEDOUT);
    REQUIRE(gallocy_pthread_cond_timedwait(&gate->opened, &gate->mutex, &wrong) == EINVAL);
    REQUIRE(gallocy_pthread_cond_clockwait(&gate->opened, &gate->mutex, 99, &past) == EINVAL);
  }
  REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);  // it still has it
}

static void clean(void* argument) {
  struct Gate* gate = argument;
  ++gate->cleaned;
  REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);  // it has it
}
static void* pass_or_be_cancelled(void* argument) {
  struct Gate* gate = argument;
  REQUIRE(gallocy_pthread_mutex_lock(&gate->mutex) == 0);
  pthread_cleanup_push(clean, gate);
  ++gate->waiting;
  while (gate->open == 0) {
    REQUIRE(gallocy_pthread_cond_wait(&gate->opened, &gate->mutex) == 0);
    if (gate->open == 0) ++gate->through;  // this one was signalled before it was cancelled
  }
  pthread_cleanup_pop(1);
  return NULL;
}

// Of two waiters one is cancelled while a signal comes: one of the two must have got it.
static void test_cancel(int node) {
  struct Gate* gate = gallocy_calloc(1, sizeof *gate);
  for (int round = 0; round < 20; ++round) {
    memset(gate, 0, sizeof *gate);
    pthread_t cancelled = start_on(node, pass_or_be_cancelled, gate);
    lock_when_waiting(gate, 1);
    REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
    pthread_t other = start_on(gallocy_node(), pass_or_be_cancelled, gate);
    lock_when_waiting(gate, 2);
    REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
    if (round % 2 == 0) REQUIRE(gallocy_pthread_cancel(cancelled) == 0);
    REQUIRE(gallocy_pthread_cond_signal(&gate->opened) == 0);
    if (round % 2 != 0) REQUIRE(gallocy_pthread_cancel(cancelled) == 0);
    REQUIRE(join(cancelled) == PTHREAD_CANCELED);
    for (int i = 0, through = 0; i < 20000 && through == 0; ++i, usleep(500)) {
      lock_when_waiting(gate, 2);
      through = gate->through;
      REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
    }
    lock_when_waiting(gate, 2);
    REQUIRE(gate->through == 1 && gate->cleaned == 1);
    gate->open = 1;
    REQUIRE(gallocy_pthread_cond_broadcast(&gate->opened) == 0);
    REQUIRE(gallocy_pthread_mutex_unlock(&gate->mutex) == 0);
    REQUIRE(join(other) == NULL && gate->cleaned == 2);
  }
}

static void test_arguments(void) {
  struct Gate* gate = gallocy_calloc(1, sizeof *gate);
  pthread_cond_t local = PTHREAD_COND_INITIALIZER;
  REQUIRE(gallocy_pthread_cond_init(&local, NULL) == EINVAL);
  REQUIRE(gallocy_pthread_cond_signal(&local) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  REQUIRE(gallocy_pthread_cond_wait(&gate->opened, &gate->mutex) == EPERM);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  REQUIRE(gallocy_pthread_cond_wait(&gate->opened, &mutex) == EINVAL);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  REQUIRE(gallocy_pthread_cond_init(&gate->opened, &attr) == ENOTSUP);
  REQUIRE(gallocy_pthread_cond_destroy(&gate->opened) == 0);
  REQUIRE(gallocy_pthread_cond_broadcast(&gate->opened) == EINVAL);
  memset(gate, 0x55, sizeof *gate);
  REQUIRE(gallocy_pthread_cond_signal(&gate->opened) == EINVAL);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  test_buffer();
  test_broadcast();
  test_time();
  for (int node = 0; node < gallocy_node_count(); ++node) test_cancel(node);
  test_arguments();
  printf("OK\n");
  return 0;
}
