// A bounded number of threads inside, tokens handed round a ring, and a timeout.
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
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

// Bytes that are zeros are a semaphore whose value is 0.
static sem_t zeros;
static sem_t* reused;

static void* wait_for_zeros(void* unused) {
  (void)unused;
  int value = -1;
  printf("zeros: wait %d", sem_wait(&zeros));
  printf(", trywait %d", sem_trywait(&zeros));
  sem_getvalue(&zeros, &value);
  printf(", value %d\n", value);
  return NULL;
}

static void* post_zeros(void* unused) {
  (void)unused;
  sem_post(&zeros);
  return NULL;
}

static void* try_what_was_made(void* unused) {
  (void)unused;
  int value = -1;
  sem_init(reused, 0, 5);
  sem_trywait(reused);
  sem_getvalue(reused, &value);
  printf("made: value %d", value);
  memset(reused, 0, sizeof *reused);
  sem_post(reused);
  sem_getvalue(reused, &value);
  printf(", laid out anew: value %d, destroy %d\n", value, sem_destroy(reused));
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
  for (int i = 0; i < 3; ++i) {
    in_threads(1, post_zeros);
    in_threads(1, wait_for_zeros);
  }
  reused = calloc(1, sizeof *reused);
  for (int i = 0; i < 3; ++i) in_threads(1, try_what_was_made);
}
