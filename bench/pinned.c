/*
 * pinned CPU,CPU,... PROGRAM [ARG...]: becomes PROGRAM on the CPU of its rank, so that programs
 * which know nothing of CPUs can be measured.
 */
#include <errno.h>
#include <gallocy/gallocy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* gallocy-run starts what is not linked with libgallocy only once. */
int (*const pinned_needs_libgallocy)(void) = gallocy_rank;

int main(int argc, char** argv) {
  const char* const rank = getenv("GALLOCY_RANK");
  if (argc < 3 || rank == NULL) {
    fprintf(stderr, "usage: gallocy-run -n N pinned CPU,CPU,... PROGRAM [ARG...]\n");
    return 64;
  }
  const char* text = argv[1];
  for (long i = atol(rank); i > 0 && text != NULL; --i)
    if ((text = strchr(text, ',')) != NULL) ++text;
  if (text == NULL) {
    fprintf(stderr, "pinned: there is no CPU for rank %s in %s\n", rank, argv[1]);
    return 64;
  }
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET((size_t)atol(text), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
    fprintf(stderr, "pinned: cannot run on CPU %ld: %s\n", atol(text), strerror(errno));
    return 69;
  }
  execv(argv[2], argv + 2);
  fprintf(stderr, "pinned: %s: %s\n", argv[2], strerror(errno));
  return 127;
}
