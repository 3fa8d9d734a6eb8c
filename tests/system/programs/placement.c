// placement COUNT [NODE...]: makes so many threads that live at the same time, and prints the node
// of each; before them, one on each NODE that is named.
#include <stdlib.h>

#include "support.h"

static pthread_mutex_t* gate;

static void* wait_at(void* lock) {
  REQUIRE(gallocy_pthread_mutex_lock(lock) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(lock) == 0);
  return (void*)(long)gallocy_node();
}

int main(int argc, char** argv) {
  enum { threads_max = 64 };
  REQUIRE(argc >= 2 && argc <= threads_max && gallocy_init() == 0);
  const int count = atoi(argv[1]), named = argc - 2;
  pthread_t before[threads_max], threads[threads_max];
  REQUIRE(count > 0 && count <= threads_max);
  gate = gallocy_malloc(sizeof *gate);
  REQUIRE(gallocy_pthread_mutex_init(gate, NULL) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(gate) == 0);
  for (int i = 0; i < named; ++i) before[i] = start_on(atoi(argv[2 + i]), wait_at, gate);
  for (int i = 0; i < count; ++i)
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, wait_at, gate) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(gate) == 0);
  for (int i = 0; i < named; ++i) REQUIRE((long)join(before[i]) == atoi(argv[2 + i]));
  for (int i = 0; i < count; ++i) printf("%ld", (long)join(threads[i]));
  puts("");
  return 0;
}
