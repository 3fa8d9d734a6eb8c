// What the kernel calls threads: main()'s is that of the process, all others are their own.
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4 };

static pid_t numbers[thread_count + 1];
static atomic_int caught[2];
static _Thread_local int is_main;

static void note(int signal) {
  (void)signal;
  ++caught[is_main];
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  numbers[me] = gettid();
  cpu_set_t cpus;
  printf("%d: %d, %d\n", me, gettid() == getpid(), gettid() == syscall(SYS_gettid));
  const int before = caught[1];
  if (tgkill(getpid(), getpid(), SIGUSR1) != 0) perror("tgkill");
  if (syscall(SYS_tkill, gettid(), SIGUSR1) != 0) perror("tkill");
  while (caught[1] == before) usleep(1000);
  printf("%d: %d, %d\n", me, caught[0], caught[1]);
  printf("%d: %d, %d\n", me, sched_getaffinity(getpid(), sizeof cpus, &cpus) == 0,
         sched_getscheduler(gettid()) == sched_getscheduler(0));
  return NULL;
}

int main(void) {
  is_main = 1;
  signal(SIGUSR1, note);
  numbers[thread_count] = gettid();
  printf("%d, %d\n", gettid() == getpid(), gettid() == syscall(SYS_gettid));
  if (tgkill(getpid(), gettid(), SIGUSR1) != 0) perror("tgkill");
  if (syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) != 0) perror("SYS_tgkill");
  for (intptr_t i = 0; i < thread_count; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, (void*)i));
    must(pthread_join(thread, NULL));
    if (numbers[i] == numbers[thread_count]) printf("%ld has the number of main()\n", (long)i);
  }
}
