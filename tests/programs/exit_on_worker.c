// exit() in a thread while others run: its handlers run once, and streams are flushed.
#include <semaphore.h>

#include "one_ends.h"

static sem_t never;
static int value = 1;

static void first(void) { printf("first registered, %d\n", value); }
static void second(void) { printf("registered by a thread, %d\n", value); }

static void* run(void* given) {
  if (!is_ending(given)) {
    sem_wait(&never);
    return NULL;
  }
  await_all();
  atexit(second);
  value = 2;
  printf("not yet flushed; ");
  exit(7);
}

int main(int argc, char** argv) {
  sem_init(&never, 0, 0);
  atexit(first);
  puts("main() waits");
  one_ends(argv[argc - 1], 3, run);
}
