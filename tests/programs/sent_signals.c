// Signals that threads wait for, and those that the kernel sends for what a call did.
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4 };

static atomic_int step;
static _Thread_local volatile sig_atomic_t caught, count;

static void note(int signal) {
  caught = signal;
  ++count;
}

static sigset_t set_of(int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  sigaddset(&set, second);
  return set;
}

static const char* name_of(int signal) {
  return signal > 0 ? sigabbrev_np(signal) : strerrorname_np(errno);
}

static void* wait_for_them(void* given) {
  const int me = (int)(intptr_t)given;
  const sigset_t set = set_of(SIGUSR1, SIGUSR2);
  const struct timespec soon = {0, 1000000}, late = {100, 0};
  siginfo_t info;
  int signal = 0;
  printf("%d: %s\n", me, name_of(sigtimedwait(&set, &info, &soon)));
  raise(SIGUSR1);
  must(sigwait(&set, &signal));
  printf("%d: pending %s\n", me, name_of(signal));
  step = 1;  // pthread_kill
  signal = sigwaitinfo(&set, &info);
  printf("%d: %s, %d\n", me, name_of(signal), info.si_code == SI_TKILL);
  step = 2;  // pthread_sigqueue
  signal = sigtimedwait(&set, &info, &late);
  printf("%d: %s, %d, %d\n", me, name_of(signal), info.si_code == SI_QUEUE,
         info.si_value.sival_int);
  step = 3;  // kill
  must(sigwait(&set, &signal));
  printf("%d: %s\n", me, name_of(signal));
  step = 4;  // pthread_kill, at once
  signal = (int)syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8);
  printf("%d: %s\n", me, name_of(signal));
  return NULL;
}

static void send_them(pthread_t thread, int me) {
  for (int i = 1; i <= 4; ++i) {
    while (step != i) usleep(100);
    if (i != 4) usleep(20000);
    if (i == 1 || i == 4) must(pthread_kill(thread, SIGUSR1));
    if (i == 2) must(pthread_sigqueue(thread, SIGUSR2, (union sigval){.sival_int = 7 + me}));
    if (i == 3 && kill(getpid(), SIGUSR2) != 0) perror("kill");
  }
  step = 0;
}

static void* make_pipes(void* given) {
  const int me = (int)(intptr_t)given;
  const sigset_t set = set_of(SIGPIPE, SIGPIPE);
  const struct timespec at_once = {0, 0};
  int ends[2], pair[2];
  if (pipe(ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) abort();
  close(ends[0]), close(pair[0]);
  long result = write(ends[1], "a", 1);
  printf("%d: write %ld, %s, %s\n", me, result, strerrorname_np(errno), name_of(caught));
  FILE* stream = fdopen(dup(ends[1]), "w");
  fputs("text", stream);
  result = fflush(stream);
  printf("%d: fflush %ld, %s, %d\n", me, result, strerrorname_np(errno), count);
  result = send(pair[1], "a", 1, MSG_NOSIGNAL);
  printf("%d: send %ld, %s, %d\n", me, result, strerrorname_np(errno), count);
  result = send(pair[1], "a", 1, 0);
  printf("%d: send %ld, %s, %d\n", me, result, strerrorname_np(errno), count);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  result = write(ends[1], "a", 1);
  printf("%d: blocked %ld, %d, %s\n", me, result, count,
         name_of(sigtimedwait(&set, NULL, &at_once)));
  result = write(ends[1], "a", 1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  printf("%d: unblocked %ld, %d\n", me, result, count);
  close(ends[1]), close(pair[1]);
  return NULL;
}

static void* raise_them(void* given) {
  const int me = (int)(intptr_t)given;
  raise(SIGUSR1);
  const int by_raise = caught;
  tgkill(getpid(), gettid(), SIGUSR2);
  printf("%d: %s, %s, %d\n", me, name_of(by_raise), name_of(caught), count);
  return NULL;
}

static void one_by_one(void* (*function)(void*), void (*meanwhile)(pthread_t, int),
                       void (*before)(void)) {
  for (intptr_t i = 0; i < thread_count; ++i) {
    pthread_t thread;
    if (before != NULL) before();
    must(pthread_create(&thread, NULL, function, (void*)i));
    if (meanwhile != NULL) meanwhile(thread, (int)i);
    must(pthread_join(thread, NULL));
  }
}

static void by_signal(void) { signal(SIGUSR1, note); }
static void by_sysv_signal(void) { sysv_signal(SIGUSR1, note); }
static void by_sigset(void) { sigset(SIGUSR1, note); }

int main(void) {
  const sigset_t set = set_of(SIGUSR1, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  one_by_one(wait_for_them, send_them, NULL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);

  struct sigaction action, old;
  memset(&action, 0, sizeof action);
  action.sa_handler = note;
  sigaction(SIGPIPE, &action, NULL);
  struct sigaction* volatile place = &action;
  sigaction(SIGUSR2, &action, place);
  printf("%d\n", action.sa_handler == SIG_DFL);
  one_by_one(make_pipes, NULL, NULL);
  signal(SIGPIPE, SIG_IGN);
  one_by_one(make_pipes, NULL, NULL);

  one_by_one(raise_them, NULL, by_signal);
  one_by_one(raise_them, NULL, by_sysv_signal);
  one_by_one(raise_them, NULL, by_sigset);
  sigignore(SIGUSR1);
  one_by_one(raise_them, NULL, NULL);
  sigaction(SIGUSR1, NULL, &old);
  printf("%d\n", old.sa_handler == SIG_IGN);
}
