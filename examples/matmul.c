/*
 * matmul [SIZE [THREADS]]
 *
 * Multiplies two square matrices of integers. Each thread computes a band of rows; both factors are
 * read by all, which each node fetches once. Checked against one thread that does it alone.
 */
#include "support.h"

struct product {
  long size;
  uint32_t *left, *right, *result; /* arithmetic modulo 2^32 */
};

/* Rows begin..end of the result. In this order the innermost loop runs along rows. */
static void multiply(const struct product* product, uint32_t* result, long begin, long end) {
  const long size = product->size;
  for (long row = begin; row < end; ++row)
    for (long k = 0; k < size; ++k) {
      const uint32_t factor = product->left[row * size + k];
      for (long column = 0; column < size; ++column)
        result[row * size + column] += factor * product->right[k * size + column];
    }
}

static void* work(void* context) {
  const struct part* part = context;
  const struct product* product = part->job;
  const long begin = begin_of(part, product->size), end = end_of(part, product->size);
  gallocy_prefetch(product->right, (size_t)(product->size * product->size) * sizeof(uint32_t));
  multiply(product, product->result, begin, end);
  return NULL;
}

int main(int argc, char** argv) {
  CHECK(gallocy_init() == 0);
  const long size = argument(argc, argv, 1, 256, 1);
  const long threads = argument(argc, argv, 2, 2L * gallocy_node_count(), 1);
  const size_t size_bytes = (size_t)(size * size) * sizeof(uint32_t);
  struct product* product = pages(sizeof *product);
  product->size = size;
  product->left = pages(size_bytes);
  product->right = pages(size_bytes);
  product->result = pages(size_bytes);
  uint64_t state = 1;
  for (long i = 0; i < size * size; ++i) {
    product->left[i] = (uint32_t)next_random(&state);
    product->right[i] = (uint32_t)next_random(&state);
  }
  run_all((int)threads, work, product);

  uint32_t* alone = calloc(1, size_bytes);
  CHECK(alone != NULL);
  multiply(product, alone, 0, size);
  if (memcmp(product->result, alone, size_bytes) != 0) {
    puts("matmul: not what one thread computes");
    return 1;
  }
  printf("matmul: %ld x %ld, %ld threads on %d nodes, %.3f s, corner %u\nOK\n", size, size,
         threads, gallocy_node_count(), run_seconds, alone[size * size - 1]);
  free(alone);
  return 0;
}
