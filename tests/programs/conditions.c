// Conditions: a queue, a broadcast, and timeouts by both clocks.
#include <errno.h>
#include <time.h>

#include "in_threads.h"

enum { item_count = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static pthread_cond_t monotonic, started = PTHREAD_COND_INITIALIZER;
static int items[4], item_top, taken, is_started;
static long sum;

static void* exchange(void* given) {
  const int me = (int)(intptr_t)given;
  pthread_mutex_lock(&lock);
  while (!is_started) pthread_cond_wait(&started, &lock);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < item_count; ++i) {
    pthread_mutex_lock(&lock);
    if (me % 2 == 0) {
      while (item_top == 4) pthread_cond_wait(&emptied, &lock);
      items[item_top++] = me * 1000 + i;
      pthread_cond_signal(&filled);
    } else {
      while (item_top == 0) pthread_cond_wait(&filled, &lock);
      sum += items[--item_top];
      ++taken;
      pthread_cond_signal(&emptied);
    }
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static struct timespec in_20_ms(clockid_t clock) {
  struct timespec until;
  clock_gettime(clock, &until);
  until.tv_nsec += 20 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  return until;
}

static int is_past(clockid_t clock, struct timespec until) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec > until.tv_sec ||
         (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec);
}

static void* time_out(void* given) {
  pthread_mutex_lock(&lock);
  struct timespec until = in_20_ms(CLOCK_REALTIME);
  int error;
  while ((error = pthread_cond_timedwait(&filled, &lock, &until)) == 0) continue;
  printf("%d realtime: %s, past %d\n", (int)(intptr_t)given, error == ETIMEDOUT ? "timeout" : "?",
         is_past(CLOCK_REALTIME, until));
  until = in_20_ms(CLOCK_MONOTONIC);
  while ((error = pthread_cond_timedwait(&monotonic, &lock, &until)) == 0) continue;
  printf("%d monotonic: %s, past %d\n", (int)(intptr_t)given, error == ETIMEDOUT ? "timeout" : "?",
         is_past(CLOCK_MONOTONIC, until));
  until = in_20_ms(CLOCK_MONOTONIC);
  while ((error = pthread_cond_clockwait(&filled, &lock, CLOCK_MONOTONIC, &until)) == 0) continue;
  printf("%d by clockwait: %s, past %d\n", (int)(intptr_t)given,
         error == ETIMEDOUT ? "timeout" : "?", is_past(CLOCK_MONOTONIC, until));
  pthread_mutex_unlock(&lock);
  return NULL;
}

int main(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&monotonic, &attributes);
  pthread_t threads[6];
  for (intptr_t i = 0; i < 6; ++i) must(pthread_create(&threads[i], NULL, exchange, (void*)i));
  pthread_mutex_lock(&lock);
  is_started = 1;
  pthread_cond_broadcast(&started);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < 6; ++i) must(pthread_join(threads[i], NULL));
  printf("%d taken, %ld\n", taken, sum);
  for (intptr_t i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, time_out, (void*)i));
    must(pthread_join(thread, NULL));
  }
  pthread_cond_destroy(&monotonic);
}
