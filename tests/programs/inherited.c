// What a new thread has of the one that makes it: name, CPUs, floating-point modes, signal mask; or
// of attributes.
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "in_threads.h"

static void show_modes(void) {
  volatile double one = 1, three = 3;
  volatile long double one_long = 1, three_long = 3;
  printf("rounding %d, 1/3 = %a and %La", fegetround(), one / three, one_long / three_long);
}

static int cpu_of_main;

static void* show(void* unused) {
  (void)unused;
  char name[16] = "", asked[16] = "";
  prctl(PR_GET_NAME, name);
  pthread_getname_np(pthread_self(), asked, sizeof asked);
  cpu_set_t cpus;
  pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  show_modes();
  printf(", %s and %s, %s, %d%d\n", name, asked,
         CPU_COUNT(&cpus) == 1 && CPU_ISSET(cpu_of_main, &cpus) ? "one CPU" : "more CPUs",
         sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2));
  return NULL;
}

static void* begin_others(void* given) {
  const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  char name[16];
  snprintf(name, sizeof name, "maker %d", (int)(intptr_t)given);
  pthread_setname_np(pthread_self(), name);
  fesetround(modes[(intptr_t)given]);
  for (int i = 0; i < 3; ++i) in_threads(1, show);
  return NULL;
}

static void* show_stack(void* unused) {
  (void)unused;
  pthread_attr_t attributes;
  size_t size = 0;
  must(pthread_getattr_np(pthread_self(), &attributes));
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_destroy(&attributes);
  printf("stack %s\n", size >= 30 << 20 ? "of the new default" : "of the old default");
  return NULL;
}

static void ask_by_attributes(void) {
  pthread_attr_t attributes;
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  pthread_attr_init(&attributes);
  must(pthread_attr_setsigmask_np(&attributes, &mask));
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu_of_main, &cpus);
  must(pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus));
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, &attributes, show, NULL));
    must(pthread_join(thread, NULL));
  }
  pthread_attr_destroy(&attributes);
}

static void* set_priority(void* unused) {
  (void)unused;
  printf("setschedprio %d %s\n", pthread_setschedprio(pthread_self(), 0),
         strerrorname_np(pthread_setschedprio(pthread_self(), 1)));
  return NULL;
}

int main(void) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  cpu_of_main = 0;
  cpu_set_t cpus;
  sched_getaffinity(0, sizeof cpus, &cpus);
  while (!CPU_ISSET(cpu_of_main, &cpus)) ++cpu_of_main;

  for (int i = 0; i < 3; ++i) in_threads(1, set_priority);
  prctl(PR_SET_NAME, "a name");
  ask_by_attributes();
  CPU_ZERO(&cpus);
  CPU_SET(cpu_of_main, &cpus);
  must(pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus));
  fesetround(FE_DOWNWARD);
  for (int i = 0; i < 3; ++i) in_threads(1, show);
  for (intptr_t i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, begin_others, (void*)i));
    must(pthread_join(thread, NULL));
  }

  for (int i = 0; i < 3; ++i) in_threads(1, show_stack);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  must(pthread_attr_setstacksize(&attributes, 32 << 20));
  must(pthread_setattr_default_np(&attributes));
  for (int i = 0; i < 3; ++i) in_threads(1, show_stack);
}
