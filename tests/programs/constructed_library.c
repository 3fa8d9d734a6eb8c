#include "constructed_library.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

pthread_key_t constructed_key;
char constructed_value[] = "given by a constructor";
volatile sig_atomic_t constructed_signals;
char* constructed_pages;

static void count(int signal) {
  (void)signal;
  ++constructed_signals;
}

atomic_int constructed_destroyed;

static void destroy(void* value) {
  (void)value;
  ++constructed_destroyed;
}

pthread_t constructed_self;
pthread_mutex_t constructed_held = PTHREAD_MUTEX_INITIALIZER, constructed_twice,
                constructed_robust, constructed_free = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t constructed_read = PTHREAD_RWLOCK_INITIALIZER, constructed_written,
                 constructed_used = PTHREAD_RWLOCK_INITIALIZER;
sem_t constructed_counted, constructed_posted;
pthread_barrier_t constructed_barrier;
pthread_cond_t constructed_condition, constructed_waited = PTHREAD_COND_INITIALIZER;
pthread_once_t constructed_once = PTHREAD_ONCE_INIT;

void constructed_call(void) { puts("called once"); }

static void lock_mutexes(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&constructed_robust, &attributes);
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&constructed_twice, &attributes);
  pthread_mutex_lock(&constructed_held);
  pthread_mutex_lock(&constructed_twice);
  pthread_mutex_trylock(&constructed_twice);
  pthread_mutex_lock(&constructed_robust);
  pthread_mutex_lock(&constructed_free);
  pthread_mutex_unlock(&constructed_free);
}

static void lock_others(void) {
  pthread_rwlock_init(&constructed_written, NULL);
  pthread_rwlock_wrlock(&constructed_written);
  pthread_rwlock_rdlock(&constructed_read);
  pthread_rwlock_wrlock(&constructed_used);
  pthread_rwlock_unlock(&constructed_used);
  sem_init(&constructed_counted, 0, 4);
  sem_wait(&constructed_counted);
  sem_post(&constructed_posted);
  sem_post(&constructed_posted);
  sem_t gone;
  sem_init(&gone, 0, 1);
  pthread_barrier_init(&constructed_barrier, NULL, 5);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&constructed_condition, &attributes);
  const struct timespec long_ago = {1, 0};
  pthread_cond_timedwait(&constructed_waited, &constructed_held, &long_ago);
  pthread_once(&constructed_once, constructed_call);
}

static void append_to_a_file(void) {
  const int fd = open("constructed", O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (write(fd, "once\n", 5) != 5) abort();
  close(fd);
}

// As old linkers name it: DT_INIT.
void _init(void) { write(1, "first of all\n", 13); }

__attribute__((constructor)) static void construct(void) {
  append_to_a_file();
  puts("constructed");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = count;
  sigaction(SIGUSR1, &action, NULL);
  signal(SIGUSR2, SIG_IGN);
  setlocale(LC_ALL, "C.UTF-8");
  setenv("CONSTRUCTED", "yes", 1);
  umask(027);
  pthread_key_t gone;
  pthread_key_create(&gone, NULL);
  pthread_key_create(&constructed_key, destroy);
  pthread_key_delete(gone);
  pthread_setspecific(constructed_key, constructed_value);
  constructed_pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(constructed_pages, "pages of a constructor");
  constructed_self = pthread_self();
  pthread_attr_t attributes;
  if (pthread_getattr_np(constructed_self, &attributes) != 0) puts("not known");
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 20 << 20);
  pthread_setattr_default_np(&attributes);
  lock_mutexes();
  lock_others();
}

__attribute__((destructor)) static void destruct(void) {
  append_to_a_file();
  puts("destructed");
}
