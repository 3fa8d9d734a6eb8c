// Threads cancelled in a wait and at a test, with their clean-ups.
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "in_threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t ready;
static atomic_int cleaned;

static void clean(void* unused) {
  (void)unused;
  ++cleaned;
}
static void unlock(void* mutex) {
  ++cleaned;
  pthread_mutex_unlock(mutex);
}

static void* in_condition(void* unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  pthread_cleanup_push(unlock, &lock);
  sem_post(&ready);
  for (;;) pthread_cond_wait(&never, &lock);
  pthread_cleanup_pop(1);
  return NULL;
}

static void* at_a_test(void* unused) {
  (void)unused;
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  for (;;) pthread_testcancel();
  pthread_cleanup_pop(1);
  return NULL;
}

static void* in_sleep(void* unused) {
  (void)unused;
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  for (;;) sleep(10);
  pthread_cleanup_pop(1);
  return NULL;
}

static void* disabled(void* unused) {
  (void)unused;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  sem_post(&ready);
  for (int i = 0; i < 1000; ++i) pthread_testcancel();
  return (void*)5;
}

int main(void) {
  sem_init(&ready, 0, 0);
  void* (*functions[])(void*) = {in_condition, at_a_test, in_sleep, disabled};
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 4; ++i) {
      pthread_t thread;
      void* result;
      must(pthread_create(&thread, NULL, functions[i], NULL));
      sem_wait(&ready);
      must(pthread_cancel(thread));
      must(pthread_join(thread, &result));
      printf("%d: %s, cleaned %d\n", i, result == PTHREAD_CANCELED ? "cancelled" : "returned",
             (int)cleaned);
    }
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
}
