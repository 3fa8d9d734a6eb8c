// exit() in a thread while others run: its handlers run once, and streams are flushed.
#include <semaphore.h>
#include <unistd.h>

#include "in_threads.h"

static sem_t never;
static int value = 1;

static void first(void) { printf("first registered, %d\n", value); }
static void second(void) { printf("registered by a thread, %d\n", value); }

static void* run(void* given) {
  if ((intptr_t)given < 2) {
    sem_wait(&never);
    return NULL;
  }
  atexit(second);
  value = 2;
  printf("not yet flushed; ");
  exit(7);
}

int main(void) {
  sem_init(&never, 0, 0);
  atexit(first);
  puts("main() waits");
  in_threads(3, run);
}
