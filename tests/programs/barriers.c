// Each phase reads what all threads wrote in the one before.
#include "in_threads.h"

enum { thread_count = 6, phases = 60 };

static pthread_barrier_t barrier;
static long row[2][thread_count];
static int serial;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int phase = 0; phase < phases; ++phase) {
    long sum = me;
    for (int i = 0; i < thread_count; ++i) sum += row[phase % 2][i] % 1000003;
    row[(phase + 1) % 2][me] = sum;
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  for (int i = 0; i < thread_count; ++i) printf("%ld\n", row[phases % 2][i]);
  printf("%d serial\n", serial);
  pthread_barrier_destroy(&barrier);
}
