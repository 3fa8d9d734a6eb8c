// errx() or error() in a thread: it ends the whole program, by way of its handlers.
#include <err.h>
#include <error.h>
#include <string.h>

#include "one_ends.h"

static const char* how;

static void handle(void) { printf("the handler, after %u\n", error_message_count); }

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  while (!is_ending(given)) pause();
  await_all();
  if (strcmp(how, "errx") == 0) errx(3, "thread %d gives up", me);
  error(0, 0, "thread %d goes on", me);
  if (strcmp(how, "error") == 0) error(4, 5, "thread %d gives up", me);
  error_at_line(5, 0, __FILE__, __LINE__, "thread %d gives up", me);
  return NULL;
}

int main(int argc, char** argv) {
  how = argv[argc - 2];
  atexit(handle);
  puts("before");
  one_ends(argv[argc - 1], 3, run);
}
