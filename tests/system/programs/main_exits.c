// main() ends by gallocy_pthread_exit while threads run, make others and join main() itself; the
// process ends with 0 after the last of them.
#include "support.h"

enum { generations = 12 };

static void* descend(void* depth) {
  usleep(3000);
  *(long*)gallocy_lookup("sum") += 1;
  if ((long)depth == 0) return NULL;
  pthread_t next;
  REQUIRE(gallocy_pthread_create(&next, NULL, descend, (void*)((long)depth - 1)) == 0);
  REQUIRE(gallocy_pthread_detach(next) == 0);
  return NULL;
}

static void* join_main(void* main_thread) {
  void* result;
  REQUIRE(gallocy_pthread_join((pthread_t)main_thread, &result) == 0);
  REQUIRE(result == (void*)99);
  return descend((void*)generations);
}

static long* g_sum;
static void at_exit(void) { printf(*g_sum == generations + 1 ? "OK\n" : "ended too early\n"); }

int main(void) {
  REQUIRE(gallocy_init() == 0);
  g_sum = gallocy_calloc(1, sizeof *g_sum);
  REQUIRE(gallocy_publish("sum", g_sum) == 0);
  atexit(at_exit);
  pthread_t thread;
  REQUIRE(gallocy_pthread_create_on(&thread, NULL, join_main, (void*)gallocy_pthread_self(),
                                    gallocy_node_count() - 1) == 0);
  gallocy_pthread_exit((void*)99);
}
