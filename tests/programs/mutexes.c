// Mutexes of every kind.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "in_threads.h"

enum { thread_count = 4, rounds = 300 };

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t robust, *made;
static int counts[5];

static void* count_up(void* unused) {
  (void)unused;
  for (int i = 0; i < rounds; ++i) {
    pthread_mutex_lock(&plain);
    ++counts[0];
    pthread_mutex_unlock(&plain);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&recursive);
    ++counts[1];
    pthread_mutex_unlock(&recursive);
    pthread_mutex_unlock(&recursive);
    pthread_mutex_lock(&checked);
    ++counts[2];
    pthread_mutex_unlock(&checked);
    pthread_mutex_lock(&adaptive);
    ++counts[3];
    pthread_mutex_unlock(&adaptive);
    pthread_mutex_lock(made);
    ++counts[4];
    pthread_mutex_unlock(made);
  }
  return NULL;
}

static const char* name_of(int error) { return error == 0 ? "0" : strerrorname_np(error); }

// While main() holds them.
static void* try_all(void* unused) {
  (void)unused;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 20 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  printf("trylock %s\n", name_of(pthread_mutex_trylock(&plain)));
  printf("trylock recursive %s\n", name_of(pthread_mutex_trylock(&recursive)));
  printf("timedlock %s\n", name_of(pthread_mutex_timedlock(&plain, &until)));
  printf("unlock of another's %s\n", name_of(pthread_mutex_unlock(&checked)));
  return NULL;
}

// Without a wait, nobody looks at the time.
static void* lock_until_never(void* unused) {
  (void)unused;
  const struct timespec never = {0, -1};
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  printf("timedlock %s", name_of(pthread_mutex_timedlock(&mutex, &never)));
  printf(", %s", name_of(pthread_mutex_timedlock(&mutex, &never)));
  printf(", clocklock %s", name_of(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &never)));
  printf(", %s", name_of(pthread_mutex_clocklock(&mutex, CLOCK_BOOTTIME, &never)));
  printf(", unlock %s\n", name_of(pthread_mutex_unlock(&mutex)));
  return NULL;
}

// Where a structure without padding has it.
static struct __attribute__((packed, aligned(4))) {
  int before;
  pthread_mutex_t mutex;
  pthread_cond_t condition;
} packed;

static void* use_packed(void* unused) {
  (void)unused;
  for (int i = 0; i < rounds; ++i) {
    pthread_mutex_lock((pthread_mutex_t*)((char*)&packed + 4));
    ++packed.before;
    pthread_cond_signal((pthread_cond_t*)((char*)&packed + 4 + sizeof(pthread_mutex_t)));
    pthread_mutex_unlock((pthread_mutex_t*)((char*)&packed + 4));
  }
  return NULL;
}

static void* die_with_it(void* unused) {
  (void)unused;
  printf("lock robust %s\n", name_of(pthread_mutex_lock(&robust)));
  return NULL;
}

int main(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &attributes);
  made = malloc(sizeof *made);
  pthread_mutex_init(made, NULL);

  in_threads(thread_count, count_up);
  for (int i = 0; i < 5; ++i) printf("%d\n", counts[i]);

  pthread_mutex_lock(&plain);
  pthread_mutex_lock(&recursive);
  pthread_mutex_lock(&checked);
  printf("lock again %s\n", name_of(pthread_mutex_lock(&checked)));
  in_threads(1, try_all);
  pthread_mutex_unlock(&plain);
  pthread_mutex_unlock(&recursive);
  pthread_mutex_unlock(&checked);

  for (int i = 0; i < 3; ++i) in_threads(1, lock_until_never);
  in_threads(thread_count, use_packed);
  printf("packed %d\n", packed.before);

  in_threads(1, die_with_it);
  printf("lock robust %s\n", name_of(pthread_mutex_lock(&robust)));
  printf("consistent %s\n", name_of(pthread_mutex_consistent(&robust)));
  printf("unlock %s\n", name_of(pthread_mutex_unlock(&robust)));
  printf("lock robust %s\n", name_of(pthread_mutex_lock(&robust)));
  printf("unlock %s\n", name_of(pthread_mutex_unlock(&robust)));
  printf("destroy %s\n", name_of(pthread_mutex_destroy(made)));
  free(made);
}
