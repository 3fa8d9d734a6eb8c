// errx() in a thread: it ends the whole program, by way of its handlers.
#include <err.h>
#include <unistd.h>

#include "in_threads.h"

static void handle(void) { puts("the handler"); }

static void* run(void* given) {
  if ((intptr_t)given == 2) errx(3, "thread %d gives up", (int)(intptr_t)given);
  pause();
  return NULL;
}

int main(void) {
  atexit(handle);
  puts("before");
  in_threads(3, run);
}
