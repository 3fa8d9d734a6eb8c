// Threads that wait for each other without any call, and pthread_spin_*.
#include <stdatomic.h>

#include "in_threads.h"

enum { thread_count = 3, rounds = 20 };

static volatile int turn;  // on x86 also what programs of old rely on
static atomic_int ready;
static pthread_spinlock_t lock;
static long count;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  ++ready;
  while (ready < thread_count) continue;
  for (int i = 0; i < rounds; ++i) {
    while (turn % thread_count != me) __builtin_ia32_pause();
    ++turn;
  }
  for (int i = 0; i < rounds; ++i) {
    pthread_spin_lock(&lock);
    ++count;
    pthread_spin_unlock(&lock);
  }
  return NULL;
}

int main(void) {
  pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
  in_threads(thread_count, run);
  printf("%d %ld\n", turn, count);
}
