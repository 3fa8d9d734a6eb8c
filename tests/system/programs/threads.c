// Threads and locks by the book: results, double joins, lock kinds, errors, blocks freed on
// another node than they were allocated on.
#include <errno.h>

#include "support.h"

static void* node_here(void* unused) {
  (void)unused;
  return (void*)(long)gallocy_node();
}
static void* leave_early(void* value) {
  pthread_exit(value);
  return NULL;
}
static void* nested(void* depth) {
  if ((long)depth == 0) return (void*)1;
  pthread_t thread;
  void* result;
  REQUIRE(gallocy_pthread_create(&thread, NULL, nested, (void*)((long)depth - 1)) == 0);
  REQUIRE(gallocy_pthread_join(thread, &result) == 0);
  return (void*)((long)result + 1);
}
static void* free_all(void* argument) {
  char** blocks = argument;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(blocks[i][0] == (char)i && blocks[i][99] == (char)i);
    gallocy_free(blocks[i]);
  }
  return NULL;
}
static void* try_it(void* mutex) { return (void*)(long)gallocy_pthread_mutex_trylock(mutex); }

static void test_threads(void) {
  int nodes = gallocy_node_count();
  for (int node = 0; node < nodes; ++node)
    REQUIRE((long)run_on(node, node_here, NULL) == node);
  REQUIRE(run_on(nodes - 1, leave_early, (void*)1234) == (void*)1234);
  REQUIRE(run_on(0, nested, (void*)5) == (void*)6);
  int seen[64] = {0};
  for (int i = 0; i < 2 * nodes; ++i) {
    pthread_t thread;
    void* result;
    REQUIRE(gallocy_pthread_create(&thread, NULL, node_here, NULL) == 0);
    REQUIRE(gallocy_pthread_join(thread, &result) == 0);
    ++seen[(long)result];
    REQUIRE(gallocy_pthread_join(thread, &result) == ESRCH);
  }
  // main() is node 0's; a thread that has ended leaves its node as idle as it was.
  for (int node = 0; node < nodes; ++node)
    REQUIRE(seen[node] == (nodes == 1 ? 2 : node == 0 ? 0 : 2 * nodes / (nodes - 1)));
  pthread_t thread;
  REQUIRE(gallocy_pthread_create_on(&thread, NULL, node_here, NULL, nodes) == EINVAL);
  REQUIRE(gallocy_pthread_join(gallocy_pthread_self(), NULL) == EDEADLK);
}

static void test_locks(void) {
  int last = gallocy_node_count() - 1;
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutex_t* mutex = gallocy_malloc(sizeof *mutex);
  REQUIRE(gallocy_pthread_mutex_init(mutex, NULL) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
  REQUIRE((long)run_on(last, try_it, mutex) == EBUSY);
  REQUIRE(gallocy_pthread_mutex_destroy(mutex) == EBUSY);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == EPERM);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
  REQUIRE(gallocy_pthread_mutex_init(mutex, &attr) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0 && gallocy_pthread_mutex_lock(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE((long)run_on(last, try_it, mutex) == EBUSY);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
  REQUIRE(gallocy_pthread_mutex_init(mutex, &attr) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == EDEADLK);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  REQUIRE(gallocy_pthread_mutex_destroy(mutex) == 0);
  pthread_mutex_t local;
  REQUIRE(gallocy_pthread_mutex_init(&local, NULL) == EINVAL && gallocy_last_error()[0] != 0);
  gallocy_free(mutex);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  test_threads();
  test_locks();
  char** blocks = gallocy_malloc(100 * sizeof *blocks);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      blocks[i] = gallocy_malloc(100);
      memset(blocks[i], i, 100);
    }
    run_on(gallocy_node_count() - 1, free_all, blocks);
  }
  REQUIRE(gallocy_malloc((size_t)1 << 50) == NULL && errno == ENOMEM);
  printf("OK\n");
  return 0;
}
