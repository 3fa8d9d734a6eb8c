// Readers see what one writer has written as a whole. Who unlocks what another reads ends that, for
// readers are only counted.
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "in_threads.h"

enum { word_count = 300, rounds = 200 };

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static long words[word_count];
static atomic_int torn, reads;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < rounds; ++i) {
    if (me % 3 == 0) {
      pthread_rwlock_wrlock(&lock);
      for (int j = 0; j < word_count; ++j) ++words[j];
    } else {
      pthread_rwlock_rdlock(&lock);
      for (int j = 1; j < word_count; ++j) torn += words[j] != words[0];
      ++reads;
    }
    pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

static void* try_both(void* unused) {
  (void)unused;
  printf("a reader beside a reader: %d\n", pthread_rwlock_tryrdlock(&lock));
  pthread_rwlock_unlock(&lock);
  printf("a writer beside a reader: %d\n", pthread_rwlock_trywrlock(&lock) == EBUSY);
  return NULL;
}

static const char* name_of(int error) { return error == 0 ? "0" : strerrorname_np(error); }

static struct timespec soon(clockid_t clock) {
  struct timespec until;
  clock_gettime(clock, &until);
  until.tv_nsec += 20 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  return until;
}

static pthread_rwlock_t counted = PTHREAD_RWLOCK_INITIALIZER;
static sem_t is_read;

static void* unlock(void* unused) {
  (void)unused;
  printf("unlock %s", name_of(pthread_rwlock_unlock(&counted)));
  return NULL;
}

// The reader wants to write: it has to wait until another thread unlocks it.
static void* read_then_write(void* unused) {
  (void)unused;
  pthread_rwlock_rdlock(&counted);
  sem_post(&is_read);
  const struct timespec until = soon(CLOCK_REALTIME);
  printf("write %s", name_of(pthread_rwlock_timedwrlock(&counted, &until)));
  printf(", try %s", name_of(pthread_rwlock_trywrlock(&counted)));
  printf(", read %s, ", name_of(pthread_rwlock_tryrdlock(&counted)));
  in_threads(1, unlock);
  printf(", ");
  in_threads(1, unlock);
  printf(", write %s", name_of(pthread_rwlock_wrlock(&counted)));
  const struct timespec again = soon(CLOCK_REALTIME);
  printf(", read %s", name_of(pthread_rwlock_timedrdlock(&counted, &again)));
  printf(", write %s", name_of(pthread_rwlock_timedwrlock(&counted, &again)));
  printf(", unlock %s\n", name_of(pthread_rwlock_unlock(&counted)));
  return NULL;
}

// One reader of two goes, whichever; then the other.
static void* read_once(void* unused) {
  pthread_rwlock_rdlock(&counted);
  sem_post(&is_read);
  return unused;
}

static void end_readers(void) {
  for (int round = 0; round < 3; ++round) {
    in_threads(2, read_once);
    for (int i = 0; i < 2; ++i) {
      sem_wait(&is_read);
      printf("beside %d readers %s", 2 - i, name_of(pthread_rwlock_trywrlock(&counted)));
      printf(", unlock %s\n", name_of(pthread_rwlock_unlock(&counted)));
    }
    printf("alone %s", name_of(pthread_rwlock_trywrlock(&counted)));
    printf(", unlock %s\n", name_of(pthread_rwlock_unlock(&counted)));
  }
}

static int is_past(clockid_t clock, const struct timespec* until) {
  struct timespec now;
  clock_gettime(clock, &now);
  if (now.tv_sec != until->tv_sec) return now.tv_sec > until->tv_sec;
  return now.tv_nsec >= until->tv_nsec;
}

static void* by_clocks(void* unused) {
  (void)unused;
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
  int (*const calls[])(pthread_rwlock_t*, clockid_t, const struct timespec*) = {
      pthread_rwlock_clockrdlock, pthread_rwlock_clockwrlock};
  for (int i = 0; i < 4; ++i) {
    const struct timespec until = soon(clocks[i / 2]);
    const int error = calls[i % 2](&lock, clocks[i / 2], &until);
    printf("%s", name_of(error));
    if (error == 0) pthread_rwlock_unlock(&lock);
    else printf(" in time %d", is_past(clocks[i / 2], &until));
    printf("%s", i == 3 ? "\n" : ", ");
  }
  return NULL;
}

// What a destroyed lock was is forgotten when it is made anew.
static pthread_rwlock_t made_anew;

static void* make_and_destroy(void* unused) {
  (void)unused;
  printf("init %s", name_of(pthread_rwlock_init(&made_anew, NULL)));
  printf(", try %s", name_of(pthread_rwlock_trywrlock(&made_anew)));
  printf(", unlock %s", name_of(pthread_rwlock_unlock(&made_anew)));
  printf(", destroy %s\n", name_of(pthread_rwlock_destroy(&made_anew)));
  memset(&made_anew, 0xff, sizeof made_anew);
  return NULL;
}

int main(void) {
  sem_init(&is_read, 0, 0);
  in_threads(6, run);
  printf("%ld, %d torn, %d reads\n", words[7], (int)torn, (int)reads);
  pthread_rwlock_rdlock(&lock);
  in_threads(1, try_both);
  pthread_rwlock_unlock(&lock);
  pthread_rwlock_wrlock(&lock);
  for (int i = 0; i < 3; ++i) in_threads(1, by_clocks);
  pthread_rwlock_unlock(&lock);
  in_threads(1, by_clocks);
  for (int i = 0; i < 3; ++i) in_threads(1, make_and_destroy);
  for (int i = 0; i < 3; ++i) in_threads(1, read_then_write), sem_wait(&is_read);
  end_readers();
}
