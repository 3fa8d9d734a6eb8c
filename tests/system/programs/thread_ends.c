// How threads end: detached, cancelled in every kind of place, by gallocy_pthread_exit; and what
// their joiners see.
#include <errno.h>

#include "support.h"

struct Progress {
  int begun, cleaned, ended, may_end;
};
static struct Progress* g;  // of rank 0; threads get theirs as argument

static void clean(void* progress) { set(&((struct Progress*)progress)->cleaned); }

static struct Progress* fresh(void) {
  gallocy_free(g);
  g = gallocy_calloc(1, sizeof *g);
  REQUIRE(g != NULL);
  return g;
}

static void* end_when_told(void* argument) {
  struct Progress* progress = argument;
  set(&progress->begun);
  wait_for(&progress->may_end);
  set(&progress->ended);
  return progress;
}

static void test_detach(int node) {
  pthread_t thread = start_on(node, end_when_told, fresh());
  REQUIRE(gallocy_pthread_detach(thread) == 0);
  REQUIRE(gallocy_pthread_detach(thread) == EINVAL);
  REQUIRE(gallocy_pthread_join(thread, NULL) == EINVAL);
  set(&g->may_end);
  wait_for(&g->ended);
  int status;
  for (int i = 0; i < 20000 && (status = gallocy_pthread_join(thread, NULL)) == EINVAL; ++i)
    usleep(500);
  REQUIRE(status == ESRCH);

  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  fresh();
  REQUIRE(gallocy_pthread_create_on(&thread, &attr, end_when_told, g, node) == 0);
  REQUIRE(gallocy_pthread_join(thread, NULL) == EINVAL);
  set(&g->may_end);
  wait_for(&g->ended);

  thread = start_on(node, end_when_told, fresh());
  set(&g->may_end);
  wait_for(&g->ended);
  REQUIRE(gallocy_pthread_detach(thread) == 0);
  REQUIRE(gallocy_pthread_detach((pthread_t)0) == ESRCH);
  REQUIRE(gallocy_pthread_detach((pthread_t)-1) == ESRCH);
}

static void* sleep_on(void* argument) {
  struct Progress* progress = argument;
  pthread_cleanup_push(clean, progress);
  set(&progress->begun);
  for (;;) usleep(1000);
  pthread_cleanup_pop(0);
  return NULL;
}

static void* compute_on(void* argument) {
  struct Progress* progress = argument;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  pthread_cleanup_push(clean, progress);
  set(&progress->begun);
  for (volatile long i = 0;; ++i) continue;
  pthread_cleanup_pop(0);
  return NULL;
}

// Joins a thread that does not end before it is told to.
static void* join_it(void* argument) {
  struct Progress* progress = argument;
  pthread_t thread = start_on(gallocy_node(), end_when_told, progress);
  __atomic_store_n((pthread_t*)(progress + 1), thread, __ATOMIC_RELEASE);
  pthread_cleanup_push(clean, progress);
  gallocy_pthread_join(thread, NULL);
  pthread_cleanup_pop(0);
  return NULL;
}

static void* refuse_to_end(void* argument) {
  struct Progress* progress = argument;
  int old;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  pthread_t thread = start_on(gallocy_node(), end_when_told, progress);
  REQUIRE(gallocy_pthread_join(thread, NULL) == 0);
  set(&progress->cleaned);
  pthread_setcancelstate(old, NULL);
  pthread_testcancel();
  return NULL;
}

static void expect_cancelled(pthread_t thread) {
  void* result = NULL;
  REQUIRE(gallocy_pthread_cancel(thread) == 0);
  REQUIRE(gallocy_pthread_join(thread, &result) == 0);
  REQUIRE(result == PTHREAD_CANCELED);
  REQUIRE(gallocy_pthread_cancel(thread) == ESRCH);
}

static void* end_at_once(void* result) { return result; }

// A thread that ends by itself and is cancelled meanwhile ends all the same.
static void test_cancel_at_the_end(int node) {
  for (int round = 0; round < 100; ++round) {
    void* result = NULL;
    pthread_t thread = start_on(node, end_at_once, (void*)7);
    if (round % 2 == 0) usleep(round);
    REQUIRE(gallocy_pthread_cancel(thread) == 0);
    REQUIRE(gallocy_pthread_join(thread, &result) == 0);
    REQUIRE(result == (void*)7 || result == PTHREAD_CANCELED);
  }
}

static void test_cancel(int node) {
  void* (*functions[])(void*) = {sleep_on, compute_on};
  for (int i = 0; i < 2; ++i) {
    pthread_t thread = start_on(node, functions[i], fresh());
    wait_for(&g->begun);
    expect_cancelled(thread);
    REQUIRE(g->cleaned == 1);
  }
  // At once, perhaps before it has begun.
  expect_cancelled(start_on(node, sleep_on, fresh()));
  // In gallocy_pthread_join: who it waited for stays joinable.
  gallocy_free(g);
  g = gallocy_calloc(1, sizeof *g + sizeof(pthread_t));
  pthread_t joiner = start_on(node, join_it, g);
  wait_for(&g->begun);
  for (int i = 0; i < 20000 && __atomic_load_n((pthread_t*)(g + 1), __ATOMIC_ACQUIRE) == 0; ++i)
    usleep(500);
  usleep(2000);  // most often it waits by now
  expect_cancelled(joiner);
  set(&g->may_end);
  void* result;
  REQUIRE(gallocy_pthread_join(*(pthread_t*)(g + 1), &result) == 0 && result == g);
  // Cancellation is disabled: the join goes on.
  pthread_t stubborn = start_on(node, refuse_to_end, fresh());
  wait_for(&g->begun);
  REQUIRE(gallocy_pthread_cancel(stubborn) == 0);
  usleep(2000);
  REQUIRE(g->cleaned == 0);
  set(&g->may_end);
  REQUIRE(gallocy_pthread_join(stubborn, &result) == 0 && result == PTHREAD_CANCELED);
  REQUIRE(g->cleaned == 1);
  // It has ended already.
  pthread_t thread = start_on(node, end_when_told, fresh());
  set(&g->may_end);
  wait_for(&g->ended);
  REQUIRE(gallocy_pthread_cancel(thread) == 0);
  REQUIRE(gallocy_pthread_join(thread, NULL) == 0);
  REQUIRE(gallocy_pthread_cancel((pthread_t)0) == ESRCH);
}

__attribute__((noinline)) static void leave_deep(void) { gallocy_pthread_exit((void*)4321); }
static void* leave(void* progress) {
  pthread_cleanup_push(clean, progress);
  leave_deep();
  pthread_cleanup_pop(0);
  return NULL;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  for (int node = 0; node < gallocy_node_count(); ++node) {
    test_detach(node);
    test_cancel(node);
    test_cancel_at_the_end(node);
    REQUIRE(run_on(node, leave, fresh()) == (void*)4321 && g->cleaned == 1);
  }
  REQUIRE(gallocy_pthread_equal(gallocy_pthread_self(), gallocy_pthread_self()) != 0);
  REQUIRE(gallocy_pthread_equal(gallocy_pthread_self(), 0) == 0);
  printf("OK\n");
  return 0;
}
