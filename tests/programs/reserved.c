// Addresses are had first and memory later: maps that nobody may touch, larger than most machines,
// of which parts are opened and filled, given back, and had again; and one of MAP_NORESERVE.
#include <string.h>
#include <sys/mman.h>

#include "in_threads.h"

enum { thread_count = 4, round_count = 3 };

static const size_t all_bytes = (size_t)12 << 30, part_bytes = (size_t)1 << 20;
static unsigned char *closed, *open_at_once;
static long sums[thread_count];
static pthread_barrier_t barrier;

static unsigned char* reserve(int protection, int flags) {
  void* made = mmap(NULL, all_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (made == MAP_FAILED) perror("mmap");
  return made;
}

static size_t part_of(int me) { return all_bytes / thread_count * (size_t)me + 5 * 4096; }

static void* run(void* given) {
  const int me = (int)(intptr_t)given, other = (me + 1) % thread_count;
  for (int round = 0; round < round_count; ++round) {
    unsigned char* own = closed + part_of(me);
    if (mprotect(own, part_bytes, PROT_READ | PROT_WRITE) != 0) perror("mprotect");
    for (size_t i = 0; i < part_bytes; i += 4096) sums[me] += own[i];
    memset(own, me + round + 1, part_bytes);
    open_at_once[part_of(me)] += (unsigned char)(me + 1);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < part_bytes; i += 64) sums[me] += closed[part_of(other) + i];
    sums[me] += open_at_once[part_of(other)];
    pthread_barrier_wait(&barrier);
    if (madvise(own, part_bytes, MADV_DONTNEED) != 0) perror("madvise");
    if (mprotect(own, part_bytes, PROT_NONE) != 0) perror("mprotect");
  }
  return NULL;
}

int main(void) {
  for (int round = 0; round < 3; ++round) {
    closed = reserve(PROT_NONE, 0);
    open_at_once = reserve(PROT_READ | PROT_WRITE, MAP_NORESERVE);
    pthread_barrier_init(&barrier, NULL, thread_count);
    in_threads(thread_count, run);
    for (int i = 0; i < thread_count; ++i) printf("%ld\n", sums[i]);
    if (munmap(closed, all_bytes) != 0 || munmap(open_at_once, all_bytes) != 0) perror("munmap");
  }
}
