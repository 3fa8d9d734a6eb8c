// Signals all the time, while threads read and write: nothing is lost, nothing comes twice.
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 3, number_count = 300 };

static int pipes[thread_count][2], other[2];
static atomic_int handled[thread_count], ended;
static _Thread_local int me = -1;

static void note(int signal) {
  const int saved = errno;
  if (me >= 0 && ++handled[me] % 8 == 0 && signal == SIGUSR2 && write(other[1], "a", 1) != 1)
    abort();
  errno = saved;
}

static void* read_numbers(void* given) {
  me = (int)(intptr_t)given;
  int wrong = 0, next = 0, number;
  for (;;) {
    const ssize_t size = read(pipes[me][0], &number, sizeof number);
    if (size == 0) break;
    if (size < 0 && errno == EINTR) continue;
    wrong += size != sizeof number || number != next++;
  }
  ++ended;
  if (wrong > 0 || next != number_count) printf("%d: %d wrong of %d\n", me, wrong, next);
  return NULL;
}

static void* write_numbers(void* given) {
  const int to = (int)(intptr_t)given;
  while (handled[to] == 0) usleep(100);
  for (int i = 0; i < number_count; ++i) {
    if (write(pipes[to][1], &i, sizeof i) != sizeof i) perror("write");
    if (i % 16 == 0) usleep(2000);
  }
  close(pipes[to][1]);
  return NULL;
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = note;
  sigaction(SIGUSR1, &action, NULL);
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, NULL);
  if (pipe(other) != 0) return 1;
  pthread_t readers[thread_count], writers[thread_count];
  for (intptr_t i = 0; i < thread_count; ++i) {
    if (pipe(pipes[i]) != 0) return 1;
    must(pthread_create(&readers[i], NULL, read_numbers, (void*)i));
  }
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&writers[i], NULL, write_numbers, (void*)i));
  for (int sent = 0; ended < thread_count; ++sent) {
    must(pthread_kill(readers[sent % thread_count], sent / 3 % 2 == 0 ? SIGUSR1 : SIGUSR2));
    usleep(500);
  }
  for (int i = 0; i < thread_count; ++i) {
    must(pthread_join(readers[i], NULL));
    must(pthread_join(writers[i], NULL));
  }
  puts("all read");
}
