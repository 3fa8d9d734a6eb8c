// Data that linkers put into segments of their own: aligned far beyond a page; and a large array of
// zeros, of which little is touched.
#include <string.h>

#include "in_threads.h"

enum { thread_count = 4, alignment = 65536, large_bytes = 1 << 30 };

static _Alignas(alignment) char given[100] = "as linked";
static _Alignas(alignment) char zeros[100000];
static _Alignas(2 << 20) int numbers[thread_count] = {10, 20, 30, 40};
static char large[large_bytes];
static char* pointers[] = {given, zeros + 5, large + 7};

static pthread_barrier_t barrier;

static void* run(void* given_number) {
  const int me = (int)(intptr_t)given_number, other = (me + 1) % thread_count;
  numbers[me] += me;
  zeros[me * 20000] = (char)('a' + me);
  large[(size_t)me * (large_bytes / thread_count) + 99] = (char)('A' + me);
  pthread_barrier_wait(&barrier);
  if (numbers[other] != 10 * (other + 1) + other) puts("not its number");
  if (zeros[other * 20000] != 'a' + other) puts("not its letter");
  if (large[(size_t)other * (large_bytes / thread_count) + 99] != 'A' + other) puts("not far away");
  if (strcmp(given, "as linked") != 0 || pointers[1] != &zeros[5]) puts("not as linked");
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  long sum = 0;
  for (size_t i = 0; i < sizeof zeros; ++i) sum += zeros[i];
  for (size_t i = 99; i < large_bytes; i += large_bytes / thread_count) sum += large[i];
  for (int i = 0; i < thread_count; ++i) sum += numbers[i];
  printf("%ld, %d, %d\n", sum, (int)((uintptr_t)given % alignment), (int)(pointers[2] - large));
}
