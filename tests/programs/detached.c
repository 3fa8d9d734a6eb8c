// Detached threads, and main() that ends by pthread_exit() before the others.
#include <semaphore.h>
#include <unistd.h>

#include "in_threads.h"

static sem_t done;
static int sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void* add(void* given) {
  pthread_mutex_lock(&lock);
  sum += (int)(intptr_t)given;
  pthread_mutex_unlock(&lock);
  sem_post(&done);
  return NULL;
}

static void* last(void* unused) {
  (void)unused;
  usleep(50000);
  puts("the last thread");
  return NULL;
}

int main(void) {
  sem_init(&done, 0, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (intptr_t i = 1; i <= 12; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, i % 2 ? &attributes : NULL, add, (void*)i));
    if (i % 2 == 0) must(pthread_detach(thread));
  }
  for (int i = 0; i < 12; ++i) sem_wait(&done);
  printf("%d\n", sum);
  pthread_t thread;
  must(pthread_create(&thread, &attributes, last, NULL));
  puts("main() ends");
  pthread_exit(NULL);
}
