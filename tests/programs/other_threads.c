// Calls about other threads than the caller: names, stacks, CPUs, policies, signals.
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 3 };

static pthread_t threads[thread_count + 1];  // the last: main()
static sem_t begun, may_end[thread_count];
static const char* local[thread_count];
static char own_name[thread_count][32];
static volatile int values[thread_count + 1];
static _Thread_local int me = -1;

static void note(int signal, siginfo_t* info, void* unused) {
  (void)unused;
  const int value = signal == SIGUSR2 ? info->si_value.sival_int : 1;
  __atomic_store_n(&values[me], value, __ATOMIC_RELEASE);
}

static void await(int thread, int value) {
  while (__atomic_load_n(&values[thread], __ATOMIC_ACQUIRE) != value) usleep(1000);
}

static void* run(void* given) {
  me = (int)(intptr_t)given;
  char here = 0;
  local[me] = &here;
  sem_post(&begun);
  while (sem_wait(&may_end[me]) != 0) continue;
  pthread_getname_np(pthread_self(), own_name[me], sizeof own_name[me]);
  must(pthread_kill(threads[thread_count], SIGUSR1));
  return NULL;
}

static void look_at(int i) {
  char name[32] = "", other[32];
  sprintf(other, "number %d", i);
  must(pthread_setname_np(threads[i], other));
  must(pthread_getname_np(threads[i], name, sizeof name));
  pthread_attr_t attributes;
  void* stack;
  size_t size;
  must(pthread_getattr_np(threads[i], &attributes));
  must(pthread_attr_getstack(&attributes, &stack, &size));
  pthread_attr_destroy(&attributes);
  const int inside = local[i] >= (char*)stack && local[i] < (char*)stack + size;
  cpu_set_t cpus;
  must(pthread_getaffinity_np(threads[i], sizeof cpus, &cpus));
  must(pthread_setaffinity_np(threads[i], sizeof cpus, &cpus));
  int policy;
  struct sched_param parameters;
  parameters.sched_priority = 0;
  must(pthread_setschedparam(threads[i], SCHED_BATCH, &parameters));
  must(pthread_getschedparam(threads[i], &policy, &parameters));
  const int wrong = pthread_setschedparam(threads[i], 1000, &parameters);
  must(pthread_kill(threads[i], 0));
  must(pthread_kill(threads[i], SIGUSR1));
  await(i, 1);
  must(pthread_sigqueue(threads[i], SIGUSR2, (union sigval){.sival_int = 40 + i}));
  await(i, 40 + i);
  printf("%s, %d, %d, %d, %d, %d\n", name, inside, CPU_COUNT(&cpus) > 0, policy, wrong, values[i]);
}

int main(void) {
  me = thread_count;
  threads[thread_count] = pthread_self();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = note;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  sem_init(&begun, 0, 0);
  for (intptr_t i = 0; i < thread_count; ++i) {
    sem_init(&may_end[i], 0, 0);
    must(pthread_create(&threads[i], NULL, run, (void*)i));
    while (sem_wait(&begun) != 0) continue;
  }
  for (int i = 0; i < thread_count; ++i) look_at(i);
  for (int i = 0; i < thread_count; ++i) {
    __atomic_store_n(&values[thread_count], 0, __ATOMIC_RELEASE);
    sem_post(&may_end[i]);
    await(thread_count, 1);
    must(pthread_join(threads[i], NULL));
    printf("%s\n", own_name[i]);
  }
}
