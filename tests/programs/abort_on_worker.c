// abort() in a thread.
#include <unistd.h>

#include "in_threads.h"

static void* run(void* given) {
  if ((intptr_t)given == 2) abort();
  pause();
  return NULL;
}

int main(void) {
  puts("before");
  fflush(stdout);
  in_threads(3, run);
}
