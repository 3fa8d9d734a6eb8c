// Threads by the book: results, double joins, errors, blocks freed on another node than they were
// allocated on.
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

int main(void) {
  REQUIRE(gallocy_init() == 0);
  test_threads();
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
