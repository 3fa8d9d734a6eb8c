// Handlers on a stack of their own, each in a call that another handler leaves by siglongjmp: more
// often than there are calls that can be under way at once.
#include <setjmp.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "in_threads.h"

enum { round_count = 600, stack_bytes = 1 << 17, entering_us = 500 };

static int ends[2];
static sigjmp_buf place;
static sem_t reading;
static int left_count;

static void read_one_byte(void) {
  char byte;
  sem_post(&reading);
  if (read(ends[0], &byte, 1) != 0) return;
  puts("there was an end");
}

static void read_again(int signal) {
  (void)signal;
  read_one_byte();
}

static void leave(int signal) {
  (void)signal;
  siglongjmp(place, 1);
}

static void* run(void* unused) {
  static char stack[stack_bytes];
  const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(&own, NULL) != 0) perror("sigaltstack");
  for (volatile int round = 0; round < round_count; ++round) {
    if (sigsetjmp(place, 1) == 0) read_one_byte();
    else ++left_count;
  }
  return unused;
}

static void* do_nothing(void* unused) { return unused; }

// It may be on its way into the call still, which comes to the same.
static void interrupt(pthread_t thread, int signal) {
  sem_wait(&reading);
  usleep(entering_us);
  must(pthread_kill(thread, signal));
}

int main(void) {
  struct sigaction action = {.sa_handler = read_again, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  action.sa_handler = leave;
  sigaction(SIGUSR2, &action, NULL);
  if (pipe(ends) != 0) perror("pipe");
  sem_init(&reading, 0, 0);
  pthread_t thread, other;
  must(pthread_create(&thread, NULL, run, NULL));
  must(pthread_create(&other, NULL, do_nothing, NULL));  // for the third node
  for (int round = 0; round < round_count; ++round) {
    interrupt(thread, SIGUSR1);
    interrupt(thread, SIGUSR2);
  }
  must(pthread_join(thread, NULL));
  must(pthread_join(other, NULL));
  printf("left %d\n", left_count);
}
