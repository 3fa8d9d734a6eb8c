// Joins that do not wait, or not for ever.
#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "in_threads.h"

enum { thread_count = 4 };

static sem_t may_end[thread_count];

static void* run(void* given) {
  const intptr_t me = (intptr_t)given;
  while (sem_wait(&may_end[me]) != 0) continue;
  return (void*)(100 + me);
}

static struct timespec in_ms(clockid_t clock, long ms) {
  struct timespec time;
  clock_gettime(clock, &time);
  // A second more, then less: with ms < 0 too, no part of it is negative.
  const long ns = time.tv_nsec + ms % 1000 * 1000000 + 1000000000;
  time.tv_sec += ms / 1000 + ns / 1000000000 - 1;
  time.tv_nsec = ns % 1000000000;
  return time;
}

static const char* name_of(int error) { return error == 0 ? "0" : strerrorname_np(error); }

int main(void) {
  pthread_t threads[thread_count];
  for (intptr_t i = 0; i < thread_count; ++i) {
    sem_init(&may_end[i], 0, 0);
    must(pthread_create(&threads[i], NULL, run, (void*)i));
  }
  void* result = NULL;
  struct timespec until;
  for (int i = 0; i < thread_count; ++i) {
    printf("%s", name_of(pthread_tryjoin_np(threads[i], &result)));
    until = in_ms(CLOCK_REALTIME, 20);
    printf(" %s", name_of(pthread_timedjoin_np(threads[i], &result, &until)));
    until = in_ms(CLOCK_MONOTONIC, -5);
    printf(" %s", name_of(pthread_clockjoin_np(threads[i], &result, CLOCK_MONOTONIC, &until)));
    printf(" %s\n", result == NULL ? "nothing" : "something");
  }
  for (int i = 0; i < thread_count; ++i) sem_post(&may_end[i]);
  until = in_ms(CLOCK_REALTIME, 60000);
  printf("%s", name_of(pthread_timedjoin_np(threads[0], &result, &until)));
  printf(" %d\n", (int)(intptr_t)result);
  until = in_ms(CLOCK_MONOTONIC, 60000);
  printf("%s", name_of(pthread_clockjoin_np(threads[1], &result, CLOCK_MONOTONIC, &until)));
  printf(" %d\n", (int)(intptr_t)result);
  int error;
  while ((error = pthread_tryjoin_np(threads[2], &result)) == EBUSY) continue;
  printf("%s %d\n", name_of(error), (int)(intptr_t)result);
  printf("%s", name_of(pthread_timedjoin_np(threads[3], &result, NULL)));
  printf(" %d\n", (int)(intptr_t)result);
  printf("%s\n", name_of(pthread_tryjoin_np(pthread_self(), NULL)));
}
