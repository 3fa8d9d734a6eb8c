// Objects that processes might share, and mutexes that pass on priority: within the program they
// are as all others.
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "in_threads.h"

enum { thread_count = 4, rounds = 60 };

struct Shared {
  pthread_mutex_t mutexes[5];
  pthread_cond_t condition;
  pthread_rwlock_t rwlock;
  pthread_barrier_t barrier;
  sem_t semaphore;
  int counts[7];
  int turn;
};
static struct Shared* shared;

static const char* name_of(int error) { return error == 0 ? "0" : strerrorname_np(error); }

static void* use(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < rounds; ++i) {
    for (int kind = 0; kind < 5; ++kind) {
      pthread_mutex_lock(&shared->mutexes[kind]);
      ++shared->counts[kind];
      pthread_mutex_unlock(&shared->mutexes[kind]);
    }
    pthread_rwlock_wrlock(&shared->rwlock);
    ++shared->counts[5];
    pthread_rwlock_unlock(&shared->rwlock);
    sem_wait(&shared->semaphore);
    ++shared->counts[6];
    sem_post(&shared->semaphore);
  }
  pthread_barrier_wait(&shared->barrier);
  pthread_mutex_lock(&shared->mutexes[0]);
  while (shared->turn != me) pthread_cond_wait(&shared->condition, &shared->mutexes[0]);
  ++shared->turn;
  pthread_cond_broadcast(&shared->condition);
  pthread_mutex_unlock(&shared->mutexes[0]);
  return NULL;
}

static void make_mutex(int kind, int is_shared, int protocol, int type, int robustness) {
  pthread_mutexattr_t attributes;
  int got_shared = 0, got_protocol = 0, got_type = 0, got_robustness = 0;
  pthread_mutexattr_init(&attributes);
  printf("set %s", name_of(pthread_mutexattr_setpshared(&attributes, is_shared)));
  printf(" %s", name_of(pthread_mutexattr_setprotocol(&attributes, protocol)));
  printf(" %s", name_of(pthread_mutexattr_settype(&attributes, type)));
  printf(" %s", name_of(pthread_mutexattr_setrobust(&attributes, robustness)));
  pthread_mutexattr_getpshared(&attributes, &got_shared);
  pthread_mutexattr_getprotocol(&attributes, &got_protocol);
  pthread_mutexattr_gettype(&attributes, &got_type);
  pthread_mutexattr_getrobust(&attributes, &got_robustness);
  printf(", got %d", got_shared == is_shared && got_protocol == protocol && got_type == type &&
                         got_robustness == robustness);
  printf(", init %s\n", name_of(pthread_mutex_init(&shared->mutexes[kind], &attributes)));
  pthread_mutexattr_destroy(&attributes);
}

static void make_others(void) {
  pthread_condattr_t condition;
  pthread_rwlockattr_t rwlock;
  pthread_barrierattr_t barrier;
  pthread_condattr_init(&condition);
  pthread_rwlockattr_init(&rwlock);
  pthread_barrierattr_init(&barrier);
  printf("set %s", name_of(pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED)));
  printf(" %s", name_of(pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED)));
  printf(" %s", name_of(pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED)));
  printf(", init %s", name_of(pthread_cond_init(&shared->condition, &condition)));
  printf(" %s", name_of(pthread_rwlock_init(&shared->rwlock, &rwlock)));
  printf(" %s", name_of(pthread_barrier_init(&shared->barrier, &barrier, thread_count)));
  printf(" %d\n", sem_init(&shared->semaphore, 1, 1));
}

static void* try_all(void* unused) {
  (void)unused;
  for (int kind = 0; kind < 5; ++kind) {
    printf("%d: lock %s", kind, name_of(pthread_mutex_lock(&shared->mutexes[kind])));
    if (kind == 2) printf(", again %s", name_of(pthread_mutex_lock(&shared->mutexes[kind])));
    else printf(", trylock %s", name_of(pthread_mutex_trylock(&shared->mutexes[kind])));
    printf(", unlock %s", name_of(pthread_mutex_unlock(&shared->mutexes[kind])));
    if (kind == 3) printf(" %s", name_of(pthread_mutex_unlock(&shared->mutexes[kind])));
    printf("\n");
  }
  return NULL;
}

int main(void) {
  enum { private = PTHREAD_PROCESS_PRIVATE, all = PTHREAD_PROCESS_SHARED };
  shared = calloc(1, sizeof *shared);
  make_mutex(0, all, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
  make_mutex(1, private, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED);
  make_mutex(2, all, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
  make_mutex(3, all, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
  make_mutex(4, all, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  make_others();
  in_threads(thread_count, use);
  for (int i = 0; i < 7; ++i) printf("%d\n", shared->counts[i]);
  for (int i = 0; i < 3; ++i) in_threads(1, try_all);
  for (int kind = 0; kind < 5; ++kind)
    printf("destroy %s\n", name_of(pthread_mutex_destroy(&shared->mutexes[kind])));
}
