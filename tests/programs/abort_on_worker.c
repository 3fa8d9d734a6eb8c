// abort() in a thread.
#include "one_ends.h"

static void* run(void* given) {
  while (!is_ending(given)) pause();
  await_all();
  abort();
  return NULL;
}

int main(int argc, char** argv) {
  puts("before");
  fflush(stdout);
  one_ends(argv[argc - 1], 3, run);
}
