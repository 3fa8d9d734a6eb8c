// 34 GiB of memory, of which little is touched: more than most machines have, so that malloc would
// refuse them by itself.
#include <sys/mman.h>

#include "in_threads.h"

static char* memory;
static const size_t size = (size_t)34 << 30;

static void* run(void* given) {
  for (size_t at = (size_t)(intptr_t)given << 20; at < size; at += (size_t)1 << 30) memory[at] += 3;
  return NULL;
}

int main(void) {
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0);
  if (memory == MAP_FAILED) return perror("mmap"), 1;
  in_threads(4, run);
  long sum = 0;
  for (size_t at = 0; at < size; at += (size_t)1 << 30)
    for (size_t i = 0; i < 4; ++i) sum += memory[at + (i << 20)];
  printf("%ld\n", sum);
  munmap(memory, size);
}
