// A bounded number of threads inside, tokens handed round a ring, and a timeout.
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "in_threads.h"

enum { thread_count = 6, rounds = 50 };

static sem_t inside, ring[thread_count];
static atomic_int now_inside, too_many;
static int order[thread_count * rounds], order_count;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < rounds; ++i) {
    sem_wait(&inside);
    if (++now_inside > 2) ++too_many;
    --now_inside;
    sem_post(&inside);
    sem_wait(&ring[me]);
    order[order_count++] = me;
    sem_post(&ring[(me + 1) % thread_count]);
  }
  return NULL;
}

static void* time_out(void* unused) {
  (void)unused;
  sem_t* none = malloc(sizeof *none);
  sem_init(none, 0, 0);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 10 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  const int result = sem_timedwait(none, &until);
  printf("timedwait %d %d\n", result, errno == ETIMEDOUT);
  const int tried = sem_trywait(none);
  printf("trywait %d %d\n", tried, errno == EAGAIN);
  sem_destroy(none);
  free(none);
  return NULL;
}

int main(void) {
  sem_init(&inside, 0, 2);
  for (int i = 0; i < thread_count; ++i) sem_init(&ring[i], 0, i == 0);
  in_threads(thread_count, run);
  int wrong = 0, value = 0;
  for (int i = 0; i < order_count; ++i) wrong += order[i] != i % thread_count;
  sem_getvalue(&inside, &value);
  printf("%d in the ring, %d wrong, %d too many, value %d\n", order_count, wrong, (int)too_many,
         value);
  for (int i = 0; i < 3; ++i) in_threads(1, time_out);
}
