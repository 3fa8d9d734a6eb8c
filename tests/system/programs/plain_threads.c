// plain_threads COUNT: a program that has never heard of gallocy, with so many threads that live at
// the same time.
#include <pthread.h>
#include <stdlib.h>

static pthread_barrier_t all;

static void* meet(void* argument) {
  pthread_barrier_wait(&all);
  return argument;
}

int main(int argc, char** argv) {
  const int count = argc == 2 ? atoi(argv[1]) : 0;
  pthread_t threads[64];
  if (count < 1 || count > 64) return 64;
  if (pthread_barrier_init(&all, NULL, (unsigned)count + 1) != 0) return 1;
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, meet, NULL) != 0) return 1;
  meet(NULL);
  for (int i = 0; i < count; ++i)
    if (pthread_join(threads[i], NULL) != 0) return 1;
  return 0;
}
