// A library's constructor runs once, whatever it does outside the process, and what it leaves is
// the program's on all nodes.
#include "constructed_library.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "in_threads.h"

enum { thread_count = 4 };

static pthread_mutex_t in_turn = PTHREAD_MUTEX_INITIALIZER;

static size_t stack_bytes(void) {
  pthread_attr_t attributes;
  size_t bytes = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  return bytes;
}

static void* run(void* unused) {
  must(pthread_mutex_lock(&in_turn));
  const int before = constructed_signals;
  raise(SIGUSR1);
  raise(SIGUSR2);  // ignored
  const char* environment = getenv("CONSTRUCTED");
  printf("%d more; %s; %s; %s; %p; %s\n", constructed_signals - before, setlocale(LC_ALL, NULL),
         environment == NULL ? "none" : environment, constructed_pages,
         pthread_getspecific(constructed_key), stack_bytes() < 19 << 20 ? "small" : "large");
  must(pthread_setspecific(constructed_key, "given by a thread"));
  must(pthread_mutex_unlock(&in_turn));
  return unused;
}

static void* try_all(void* unused) {
  printf("%d %d %d %d\n", pthread_mutex_trylock(&constructed_held) == EBUSY,
         pthread_mutex_trylock(&constructed_twice) == EBUSY,
         pthread_mutex_trylock(&constructed_robust) == EBUSY,
         pthread_mutex_trylock(&constructed_free));
  must(pthread_mutex_unlock(&constructed_free));
  printf("%d %d %d %d\n", pthread_rwlock_trywrlock(&constructed_read) == EBUSY,
         pthread_rwlock_tryrdlock(&constructed_read),
         pthread_rwlock_tryrdlock(&constructed_written) == EBUSY,
         pthread_rwlock_trywrlock(&constructed_used));
  must(pthread_rwlock_unlock(&constructed_read));
  must(pthread_rwlock_unlock(&constructed_used));
  int counted = 0, posted = 0;
  sem_getvalue(&constructed_counted, &counted);
  sem_getvalue(&constructed_posted, &posted);
  printf("%d %d\n", counted, posted);
  return unused;
}

static void unlock_all(void) {
  printf("%d\n", pthread_equal(pthread_self(), constructed_self) != 0);
  must(pthread_mutex_unlock(&constructed_held));
  must(pthread_mutex_unlock(&constructed_twice));
  must(pthread_mutex_unlock(&constructed_twice));
  must(pthread_mutex_unlock(&constructed_robust));
  must(pthread_rwlock_unlock(&constructed_read));
  must(pthread_rwlock_unlock(&constructed_written));
  must(pthread_once(&constructed_once, constructed_call));
}

static void wait_in_vain(pthread_cond_t* condition, clockid_t clock) {
  struct timespec until;
  clock_gettime(clock, &until);
  until.tv_nsec += 1000000;
  if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, ++until.tv_sec;
  must(pthread_mutex_lock(&constructed_held));
  printf("%d\n", pthread_cond_timedwait(condition, &constructed_held, &until) == ETIMEDOUT);
  must(pthread_mutex_unlock(&constructed_held));
}

static void* lock_all(void* given) {
  pthread_mutex_t* all[] = {&constructed_held, &constructed_twice, &constructed_robust};
  for (int i = 0; i < 3; ++i) {
    must(pthread_mutex_lock(all[i]));
    must(pthread_mutex_unlock(all[i]));
  }
  must(pthread_rwlock_wrlock(&constructed_written));
  must(pthread_rwlock_unlock(&constructed_written));
  pthread_barrier_wait(&constructed_barrier);
  sem_post(&constructed_posted);
  return given;
}

int main(void) {
  in_threads(1, try_all);
  unlock_all();
  wait_in_vain(&constructed_condition, CLOCK_MONOTONIC);
  wait_in_vain(&constructed_waited, CLOCK_REALTIME);
  pthread_t threads[thread_count];
  for (int i = 0; i < thread_count; ++i) must(pthread_create(&threads[i], NULL, lock_all, NULL));
  pthread_barrier_wait(&constructed_barrier);
  for (int i = 0; i < thread_count + 2; ++i) sem_wait(&constructed_posted);
  for (int i = 0; i < thread_count; ++i) must(pthread_join(threads[i], NULL));
  printf("main has %s\n", (char*)pthread_getspecific(constructed_key));
  printf("mask of files %o\n", (unsigned)umask(022));
  in_threads(thread_count, run);
  printf("%d signals, %d values\n", (int)constructed_signals, constructed_destroyed);
}
