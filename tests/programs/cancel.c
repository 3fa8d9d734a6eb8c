// Threads cancelled in waits, in calls and at a test, with their clean-ups.
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "in_threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t ready;
static atomic_int cleaned;

static int in[2];  // nobody writes before it is told
static int listening;
static FILE* stream;
static char bytes[8];

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

// Natively the thread is cancelled before the call or in it.
static void* in_call(long (*call)(void)) {
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  const long result = call();
  printf("not cancelled: %ld\n", result);
  pthread_cleanup_pop(1);
  return NULL;
}

static long read_it(void) { return read(in[0], bytes, sizeof bytes); }
static long accept_one(void) { return accept(listening, NULL, NULL); }
static long get_line(void) { return fgets(bytes, sizeof bytes, stream) != NULL; }
static long poll_it(void) {
  struct pollfd entry = {in[0], POLLIN, 0};
  return poll(&entry, 1, -1);
}
static long wait_for_signal(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  int signal;
  return sigwait(&set, &signal);
}

static void* in_read(void* unused) { (void)unused; return in_call(read_it); }
static void* in_accept(void* unused) { (void)unused; return in_call(accept_one); }
static void* in_fgets(void* unused) { (void)unused; return in_call(get_line); }
static void* in_poll(void* unused) { (void)unused; return in_call(poll_it); }
static void* in_sigwait(void* unused) { (void)unused; return in_call(wait_for_signal); }

// A call that is no cancellation point, then one that is.
static void* later(void* unused) {
  (void)unused;
  pthread_cleanup_push(clean, NULL);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  sem_post(&ready);
  if (read(in[0], bytes, 4) != 4 || strncmp(bytes, "data", 4) != 0) printf("nothing read\n");
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  const int fd = dup(in[0]);
  ++cleaned;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  close(fd);
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  read_it();
  printf("not cancelled\n");
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
  if (pipe(in) != 0) return 1;
  const struct sockaddr any_name = {AF_UNIX, ""};
  listening = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listening, &any_name, sizeof any_name.sa_family) != 0 || listen(listening, 1) != 0)
    perror("listen");
  stream = fdopen(in[0], "r");
  void* (*functions[])(void*) = {in_condition, at_a_test, in_sleep, disabled, in_read, in_accept,
                                 in_fgets, in_poll, in_sigwait, later, in_read};
  enum { function_count = sizeof functions / sizeof *functions };
  for (int round = 0; round < 6; ++round)
    for (int i = 0; i < function_count; ++i) {
      pthread_t thread;
      void* result;
      must(pthread_create(&thread, NULL, functions[i], NULL));
      sem_wait(&ready);
      if (round % 2 == 0) usleep(10000);
      must(pthread_cancel(thread));
      if (functions[i] == later && write(in[1], "data", 4) != 4) perror("write");
      must(pthread_join(thread, &result));
      printf("%d: %s, cleaned %d\n", i, result == PTHREAD_CANCELED ? "cancelled" : "returned",
             (int)cleaned);
    }
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
  printf("%s\n", ftrylockfile(stream) == 0 ? "unlocked" : "locked");
}
