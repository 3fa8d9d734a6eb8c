// 34 GiB of malloc, of which little is touched: more than most machines have. In blocks: the kernel
// refuses a single one that is larger than all of RAM, and a node one larger than it may use.
#include "in_threads.h"

enum { block_count = 64, thread_count = 4, step_count = 34 };

static const size_t step = (size_t)1 << 30, block_bytes = (size_t)step_count * step / block_count;
static char* blocks[block_count];

static char* byte_at(size_t offset) { return blocks[offset / block_bytes] + offset % block_bytes; }

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (size_t i = 0; i < step_count; ++i)
    *byte_at(i * step + ((size_t)me << 20)) = (char)(i + (size_t)me);
  return NULL;
}

int main(void) {
  for (int i = 0; i < block_count; ++i)
    if ((blocks[i] = malloc(block_bytes)) == NULL) return perror("malloc"), 1;
  in_threads(thread_count, run);
  long sum = 0;
  for (size_t i = 0; i < step_count; ++i)
    for (size_t me = 0; me < thread_count; ++me) sum += *byte_at(i * step + (me << 20));
  printf("%ld\n", sum);
  for (int i = 0; i < block_count; ++i) free(blocks[i]);
}
