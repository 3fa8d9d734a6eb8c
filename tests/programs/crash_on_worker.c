// A null pointer followed in a thread.
#include "one_ends.h"

static int* volatile none;

static void* run(void* given) {
  while (!is_ending(given)) pause();
  await_all();
  *none = 1;
  return NULL;
}

int main(int argc, char** argv) {
  puts("before");
  fflush(stdout);
  one_ends(argv[argc - 1], 3, run);
}
