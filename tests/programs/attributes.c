// A thread's name, stack, number and mask, asked for by itself.
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "in_threads.h"

enum { thread_count = 4 };

static pthread_t numbers[thread_count];

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  numbers[me] = pthread_self();
  char name[32] = "", own[32];
  sprintf(own, "thread %d", me);
  must(pthread_setname_np(pthread_self(), own));
  must(pthread_getname_np(pthread_self(), name, sizeof name));
  pthread_attr_t attributes;
  must(pthread_getattr_np(pthread_self(), &attributes));
  void* stack;
  size_t size;
  int state;
  must(pthread_attr_getstack(&attributes, &stack, &size));
  must(pthread_attr_getdetachstate(&attributes, &state));
  pthread_attr_destroy(&attributes);
  const char* here = name;
  if (here < (char*)stack || here >= (char*)stack + size) puts("not on its stack");
  if (size < 65536 || state != PTHREAD_CREATE_JOINABLE) puts("not the attributes");
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  int blocked = 0;
  for (int i = 1; i < 32; ++i) blocked += sigismember(&mask, i);
  if (blocked != 1 || !sigismember(&mask, SIGUSR2)) puts("not the mask of its maker");
  cpu_set_t cpus;
  must(pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus));
  sched_yield();
  return strcmp(name, own) == 0 && CPU_COUNT(&cpus) > 0 ? (void*)1 : NULL;
}

static void show_own(const char* who) {
  pthread_attr_t attributes;
  size_t size;
  int state;
  must(pthread_getattr_np(pthread_self(), &attributes));
  must(pthread_attr_getstacksize(&attributes, &size));
  must(pthread_attr_getdetachstate(&attributes, &state));
  pthread_attr_destroy(&attributes);
  printf("%s: %zu KiB of stack, %s\n", who, (size + (1 << 17)) >> 18 << 8,
         state == PTHREAD_CREATE_DETACHED ? "detached" : "joinable");
}

static sem_t shown;

static void* show(void* detaches_itself) {
  if (detaches_itself != NULL) {
    show_own("a thread");
    pthread_detach(pthread_self());
  }
  show_own("detached");
  sem_post(&shown);
  return NULL;
}

static void show_detached(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  sem_init(&shown, 0, 0);
  show_own("main");
  for (intptr_t i = 0; i < 3; ++i) {
    must(pthread_create(&thread, NULL, show, (void*)1));
    sem_wait(&shown);
  }
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 3; ++i) {
    must(pthread_create(&thread, &attributes, show, NULL));
    sem_wait(&shown);
  }
}

static void* deep(void* unused) {
  (void)unused;
  volatile char big[3 << 20];
  for (int i = 0; i < 3 << 20; i += 4096) big[i] = 1;
  return (void*)(intptr_t)big[4096];
}

int main(void) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  pthread_t threads[thread_count];
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&threads[i], NULL, run, (void*)i));
  for (int i = 0; i < thread_count; ++i) {
    void* result;
    must(pthread_join(threads[i], &result));
    printf("%d %d\n", result != NULL, pthread_equal(numbers[i], threads[i]) != 0);
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  must(pthread_attr_setstacksize(&attributes, 4 << 20));
  for (int i = 0; i < 3; ++i) {
    void* result;
    must(pthread_create(&threads[i], &attributes, deep, NULL));
    must(pthread_join(threads[i], &result));
    printf("%d\n", (int)(intptr_t)result);
  }
  show_detached();
}
