// Started without gallocy-run: a job of one node, and a process that is as it was otherwise. With
// an argument it waits to be ended from outside.
#include <errno.h>
#include <sys/wait.h>

#include "support.h"

static void* add(void* sum) {
  __atomic_add_fetch((long*)sum, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

int main(int argc, char** argv) {
  (void)argv;
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_rank() == 0 && gallocy_size() == 1);
  REQUIRE(gallocy_node() == 0 && gallocy_node_count() == 1);
  // Launcher and daemon are nobody's children here.
  REQUIRE(wait(NULL) == -1 && errno == ECHILD);
  long* sum = gallocy_calloc(1, sizeof *sum);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) REQUIRE(gallocy_pthread_create(&threads[i], NULL, add, sum) == 0);
  for (int i = 0; i < 4; ++i) REQUIRE(gallocy_pthread_join(threads[i], NULL) == 0);
  REQUIRE(*sum == 4);
  puts("OK");
  fflush(stdout);
  if (argc > 1) pause();
  return 3;
}
