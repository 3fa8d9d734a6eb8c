// A thread writes to a pipe that nobody reads, which ends the program as the signal does.
#include <unistd.h>

#include "in_threads.h"

static void* run(void* given) {
  int ends[2];
  if ((intptr_t)given < 3) return NULL;
  if (pipe(ends) != 0 || close(ends[0]) != 0) abort();
  if (write(ends[1], "a", 1) < 0) perror("went on");
  return NULL;
}

int main(void) {
  puts("begins");
  fflush(stdout);
  in_threads(4, run);
  puts("goes on");
}
