// Mutexes that another thread unlocks than the one that has locked them: the normal kinds let it,
// the others say EPERM.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "in_threads.h"

enum { rounds = 40, thread_count = 4 };

static const char* name_of(int error) { return error == 0 ? "0" : strerrorname_np(error); }

// ---- as a binary semaphore: a token goes round, each thread unlocks the next one's mutex ----

static pthread_mutex_t gates[thread_count];
static int order[thread_count * rounds], order_count;

static void* go_round(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < rounds; ++i) {
    pthread_mutex_lock(&gates[me]);
    order[order_count++] = me;
    pthread_mutex_unlock(&gates[(me + 1) % thread_count]);
  }
  return NULL;
}

static void send_round(void) {
  for (int i = 0; i < thread_count; ++i) {
    pthread_mutex_init(&gates[i], NULL);
    if (i > 0) pthread_mutex_lock(&gates[i]);
  }
  in_threads(thread_count, go_round);
  int wrong = 0;
  for (int i = 0; i < order_count; ++i) wrong += order[i] != i % thread_count;
  printf("%d times round, %d wrong\n", order_count, wrong);
}

// ---- what a thread may do with what main() has ----

static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t robust, inheriting;

static void* unlock_all(void* unused) {
  (void)unused;
  printf("normal: unlock %s", name_of(pthread_mutex_unlock(&normal)));
  printf(", once more %s", name_of(pthread_mutex_unlock(&normal)));
  printf(", trylock %s", name_of(pthread_mutex_trylock(&normal)));
  printf(", again %s\n", name_of(pthread_mutex_trylock(&normal)));
  printf("adaptive: unlock %s", name_of(pthread_mutex_unlock(&adaptive)));
  printf(", lock %s\n", name_of(pthread_mutex_lock(&adaptive)));
  printf("checked: unlock %s\n", name_of(pthread_mutex_unlock(&checked)));
  printf("recursive: unlock %s\n", name_of(pthread_mutex_unlock(&recursive)));
  printf("robust: unlock %s\n", name_of(pthread_mutex_unlock(&robust)));
  printf("inheriting: unlock %s", name_of(pthread_mutex_unlock(&inheriting)));
  printf(", trylock %s\n", name_of(pthread_mutex_trylock(&inheriting)));
  return NULL;
}

static void try_kinds(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &attributes);
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&inheriting, &attributes);
  for (int i = 0; i < 3; ++i) {
    pthread_mutex_lock(&normal);
    pthread_mutex_lock(&adaptive);
    pthread_mutex_lock(&checked);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&robust);
    pthread_mutex_lock(&inheriting);
    in_threads(1, unlock_all);
    printf("main: try %s", name_of(pthread_mutex_trylock(&normal)));
    printf(", unlock %s, %s", name_of(pthread_mutex_unlock(&normal)),
           name_of(pthread_mutex_unlock(&adaptive)));
    printf(", its own %s, %s, %s\n", name_of(pthread_mutex_unlock(&checked)),
           name_of(pthread_mutex_unlock(&recursive)), name_of(pthread_mutex_unlock(&robust)));
    printf("inheriting: %s", name_of(pthread_mutex_unlock(&inheriting)));
    printf(", once more %s\n", name_of(pthread_mutex_unlock(&inheriting)));
  }
}

// ---- a condition, with a mutex that somebody else has locked or nobody ----

static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void* wait_with_it(void* unused) {
  (void)unused;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 10 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  printf("wait %s", name_of(pthread_cond_timedwait(&never, &normal, &until)));
  printf(", had by it %s", name_of(pthread_mutex_trylock(&normal)));
  printf(", unlock %s\n", name_of(pthread_mutex_unlock(&normal)));
  return NULL;
}

static void wait_with_others(void) {
  for (int i = 0; i < 3; ++i) {
    if (i < 2) pthread_mutex_lock(&normal);
    in_threads(1, wait_with_it);
  }
}

// ---- mutexes that were left locked, initialised anew ----

static pthread_mutex_t again;

static void* leave_locked(void* unused) {
  (void)unused;
  pthread_mutex_init(&again, NULL);
  printf("destroy %s", name_of(pthread_mutex_destroy(&again)));
  pthread_mutex_init(&again, NULL);
  for (int i = 0; i < 3; ++i) pthread_mutex_lock(&again), pthread_mutex_unlock(&again);
  printf(", lock %s", name_of(pthread_mutex_lock(&again)));
  printf(", destroy %s\n", name_of(pthread_mutex_destroy(&again)));
  return NULL;
}

static void* take_again(void* unused) {
  (void)unused;
  pthread_mutex_init(&again, NULL);
  printf("made anew: trylock %s\n", name_of(pthread_mutex_trylock(&again)));
  return NULL;
}

// ---- memory that is freed with a mutex that its thread has locked ----

struct Thing {
  pthread_mutex_t mutex;
  long filling[20];
};

static void* free_locked(void* unused) {
  (void)unused;
  int locked = 0;
  for (int i = 0; i < 30; ++i) {
    struct Thing* thing = calloc(1, sizeof *thing);  // as often as not where the last was
    for (int before = i % 4; before > 0; --before)
      pthread_mutex_lock(&thing->mutex), pthread_mutex_unlock(&thing->mutex);
    locked += pthread_mutex_trylock(&thing->mutex) == 0;
    if (i % 3 != 0) {
      free(thing);
      continue;
    }
    thing = realloc(thing, 100000);  // moves
    free(thing);
  }
  printf("%d things locked\n", locked);
  return NULL;
}

// ---- a stack on which a thread has left one locked ----

static void* leave_on_stack(void* unused) {
  (void)unused;
  static int tried, had;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  had += pthread_mutex_trylock(&mutex) == 0;
  if (++tried == 12) printf("%d had on a stack\n", had);
  return NULL;
}

int main(void) {
  send_round();
  try_kinds();
  wait_with_others();
  for (int i = 0; i < 3; ++i) {
    in_threads(1, leave_locked);
    in_threads(1, take_again);
  }
  in_threads(3, free_locked);
  for (int i = 0; i < 12; ++i) in_threads(1, leave_on_stack);
}
