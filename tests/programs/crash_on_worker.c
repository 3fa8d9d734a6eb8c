// A null pointer followed in a thread.
#include <unistd.h>

#include "in_threads.h"

static int* volatile none;

static void* run(void* given) {
  if ((intptr_t)given == 2) *none = 1;
  pause();
  return NULL;
}

int main(void) {
  puts("before");
  fflush(stdout);
  in_threads(3, run);
}
