// Handlers that main() sets, of signals that threads send to themselves and faults that they make.
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

static _Thread_local sigjmp_buf before;
static _Thread_local volatile sig_atomic_t caught;
static int* volatile none;

static void note(int signal) { caught = signal; }
static void leave(int signal) { siglongjmp(before, signal); }

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  raise(SIGUSR1);
  const int raised = caught;
  must(pthread_kill(pthread_self(), SIGUSR2));
  int jumped = sigsetjmp(before, 1);
  if (jumped == 0) *none = me;
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &mask, NULL);
  caught = 0;
  raise(SIGUSR1);
  const int blocked = caught;
  pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
  printf("%d: %s, %s, %d, %s\n", me, sigabbrev_np(raised), sigabbrev_np(jumped), blocked,
         sigabbrev_np(caught));
  return NULL;
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = note;
  sigaction(SIGUSR1, &action, NULL);
  signal(SIGUSR2, note);
  action.sa_handler = leave;
  sigaction(SIGSEGV, &action, NULL);
  for (intptr_t i = 0; i < 4; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, (void*)i));
    must(pthread_join(thread, NULL));
  }
  sigaction(SIGUSR1, NULL, &action);
  printf("%d\n", action.sa_handler == note);
}
