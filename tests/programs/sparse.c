// As many GiB of malloc as the word says, of which little is touched: more than most machines have.
// In blocks: the kernel refuses a single one that is larger than all of RAM, and a node one larger
// than it may use.
#include "in_threads.h"

enum { block_count = 64, thread_count = 4 };

static const size_t step = (size_t)1 << 30;
static size_t step_count, block_bytes;
static char* blocks[block_count];

static char* byte_at(size_t offset) { return blocks[offset / block_bytes] + offset % block_bytes; }

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (size_t i = 0; i < step_count; ++i)
    *byte_at(i * step + ((size_t)me << 20)) = (char)(i + (size_t)me);
  return NULL;
}

int main(int argc, char** argv) {
  step_count = (size_t)atoi(argv[argc - 1]);
  block_bytes = step_count * step / block_count;
  for (int i = 0; i < block_count; ++i)
    if ((blocks[i] = malloc(block_bytes)) == NULL) return perror("malloc"), 1;
  in_threads(thread_count, run);
  long sum = 0;
  for (size_t i = 0; i < step_count; ++i)
    for (size_t me = 0; me < thread_count; ++me) sum += *byte_at(i * step + (me << 20));
  printf("%ld\n", sum);
  for (int i = 0; i < block_count; ++i) free(blocks[i]);
}
