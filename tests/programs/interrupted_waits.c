// Waits that a signal handler ends: those without a limit unless it has SA_RESTART, those with one
// by every handler. Mutexes and conditions go on.
#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "in_threads.h"

static sem_t nothing;
static unsigned word;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static atomic_int began, ended, handled, condition_is_due;
static int outcome;

static void handle(int number) {
  (void)number;
  ++handled;
}

static void install(int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handle;
  action.sa_flags = flags;
  sigaction(SIGUSR1, &action, NULL);
}

static struct timespec far_from_now(clockid_t clock) {
  struct timespec until;
  clock_gettime(clock, &until);
  until.tv_sec += 60;
  return until;
}

static int wait_semaphore(void) { return sem_wait(&nothing); }
static int wait_semaphore_until(void) {
  const struct timespec until = far_from_now(CLOCK_REALTIME);
  return sem_timedwait(&nothing, &until);
}
static int wait_semaphore_clock(void) {
  const struct timespec until = far_from_now(CLOCK_MONOTONIC);
  return sem_clockwait(&nothing, CLOCK_MONOTONIC, &until);
}
static int wait_futex(void) {
  return (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static int wait_futex_for(void) {
  const struct timespec limit = {60, 0};
  return (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit, NULL, 0);
}
static int wait_futex_until(void) {
  const struct timespec until = far_from_now(CLOCK_MONOTONIC);
  return (int)syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &until, NULL, 1);
}
static int lock_mutex(void) {
  errno = pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  return errno;
}
static int wait_condition(void) {
  int error = 0;
  pthread_mutex_lock(&mutex);
  while (!condition_is_due && error == 0) error = pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return error;
}

static struct {
  const char* name;
  int (*function)(void);
} const waits[] = {{"sem_wait", wait_semaphore},
                   {"sem_timedwait", wait_semaphore_until},
                   {"sem_clockwait", wait_semaphore_clock},
                   {"FUTEX_WAIT", wait_futex},
                   {"FUTEX_WAIT for", wait_futex_for},
                   {"FUTEX_WAIT_BITSET until", wait_futex_until},
                   {"mutex", lock_mutex},
                   {"condition", wait_condition}};

static void* run(void* given) {
  began = 1;
  outcome = waits[(intptr_t)given].function() == 0 ? 0 : errno;
  ended = 1;
  return NULL;
}

static void pause_ms(int count) {
  const struct timespec time = {0, count * 1000000L};
  nanosleep(&time, NULL);
}

// What nobody has ended when its handler has run five times, somebody else ends.
static void interrupt(intptr_t which) {
  pthread_t thread;
  began = ended = handled = 0;
  pthread_mutex_lock(&mutex);
  if (waits[which].function != lock_mutex) pthread_mutex_unlock(&mutex);
  must(pthread_create(&thread, NULL, run, (void*)which));
  while (!began) pause_ms(1);
  for (int sent = 0; sent < 5 && !ended; ++sent) {
    pause_ms(20);
    const int before = handled;
    if (!ended) pthread_kill(thread, SIGUSR1);
    while (handled == before && !ended) pause_ms(1);
  }
  pause_ms(20);
  const int by_handler = ended;
  if (!by_handler) {
    word = 1;
    condition_is_due = 1;
    if (waits[which].function == wait_semaphore) sem_post(&nothing);
    syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
    pthread_cond_broadcast(&condition);
    if (waits[which].function == lock_mutex) pthread_mutex_unlock(&mutex);
  }
  must(pthread_join(thread, NULL));
  word = 0;
  condition_is_due = 0;
  printf("%s: %s, %s\n", waits[which].name, by_handler ? "by the handler" : "by another thread",
         outcome == 0 ? "0" : strerrorname_np(outcome));
}

int main(void) {
  sem_init(&nothing, 0, 0);
  for (int restarts = 0; restarts < 2; ++restarts) {
    install(restarts ? SA_RESTART : 0);
    printf("%s SA_RESTART\n", restarts ? "with" : "without");
    for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; ++i) interrupt(i);
  }
  int value = -1;
  sem_getvalue(&nothing, &value);
  printf("%d\n", value);
}
