// placement COUNT: makes so many threads that live at the same time, and prints the node of each.
#include <stdlib.h>

#include "support.h"

static pthread_mutex_t* gate;

static void* wait_at(void* lock) {
  REQUIRE(gallocy_pthread_mutex_lock(lock) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(lock) == 0);
  return (void*)(long)gallocy_node();
}

int main(int argc, char** argv) {
  REQUIRE(argc == 2 && gallocy_init() == 0);
  const int count = atoi(argv[1]);
  pthread_t threads[64];
  REQUIRE(count > 0 && count <= 64);
  gate = gallocy_malloc(sizeof *gate);
  REQUIRE(gallocy_pthread_mutex_init(gate, NULL) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(gate) == 0);
  for (int i = 0; i < count; ++i)
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, wait_at, gate) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(gate) == 0);
  for (int i = 0; i < count; ++i) {
    void* node;
    REQUIRE(gallocy_pthread_join(threads[i], &node) == 0);
    printf("%ld", (long)node);
  }
  puts("");
  return 0;
}
