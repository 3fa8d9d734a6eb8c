// For the failure tests: threads on all nodes write and read pages that are never zero, all the
// time, until the job is ended from outside. What reads as zero is told by "zero at ADDRESS".
// Prints "running RANK PID" of each rank's process. With the argument "closes", each process
// closes all descriptors that it did not open, as some programs do when they begin.
#include "support.h"

enum { page_count = 2048, threads_a_node = 2, words_a_page = 512 };

struct shared {
  unsigned long (*pages)[words_a_page];
  int closes;
  int running;
};

struct worker {
  struct shared* shared;
  unsigned seed;
};

static void tell_zero(const void* address) {
  char line[64];
  const int size = snprintf(line, sizeof line, "zero at %p\n", address);
  if (write(1, line, (size_t)size) < 0) _exit(2);
}

static void* work(void* argument) {
  const struct worker* worker = argument;
  unsigned long (*pages)[words_a_page] = worker->shared->pages;
  printf("running %d %d\n", gallocy_rank(), (int)getpid());
  fflush(stdout);
  const int all = threads_a_node * gallocy_node_count();
  if (__atomic_add_fetch(&worker->shared->running, 1, __ATOMIC_ACQ_REL) > all) return NULL;
  while (__atomic_load_n(&worker->shared->running, __ATOMIC_ACQUIRE) < all) usleep(1000);
  if (worker->shared->closes) {
    (void)close_range(3, ~0u, 0);
    printf("closed %d\n", gallocy_rank());
    fflush(stdout);
  }
  for (unsigned seed = worker->seed;;) {
    const unsigned page = next(&seed) % page_count;
    const unsigned word = next(&seed) % words_a_page;
    if (pages[page][word] == 0) tell_zero(&pages[page][word]);
    if (next(&seed) % 4 == 0) pages[page][word] = seed | 1;
  }
  return NULL;
}

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  shared->pages = (void*)page_aligned(page_count);
  shared->closes = argc > 1 && strcmp(argv[1], "closes") == 0;
  for (unsigned i = 0; i < page_count; ++i)
    for (unsigned j = 0; j < words_a_page; ++j) shared->pages[i][j] = i + 1;
  pthread_t thread = 0;
  for (int i = 0; i < threads_a_node * gallocy_node_count(); ++i) {
    struct worker* worker = gallocy_malloc(sizeof *worker);
    *worker = (struct worker){shared, (unsigned)i};
    thread = start_on(i % gallocy_node_count(), work, worker);
  }
  join(thread);
  return 0;
}
