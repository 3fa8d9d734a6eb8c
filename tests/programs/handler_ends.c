// A handler that ends the program, while the call that it has interrupted has a stream's lock. The
// words: by what, and in which thread.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

static FILE *in, *out;
static atomic_int is_waiting;
static intptr_t interrupted;
static const char* volatile nothing = (const char*)8;

static void end_program(int number) {
  if (feof(in)) puts("at the end");
  fprintf(out, "handler of %d\n", number);
  exit(3);
}

static void make_fault(int number) {
  if (feof(in)) puts("at the end");
  fprintf(out, "%d, %s\n", number, nothing);
}

static void* run(void* given) {
  char line[16];
  if ((intptr_t)given != interrupted) pause();
  fputs("of the thread\n", out);
  is_waiting = 1;
  if (fgets(line, sizeof line, in) != NULL) puts("nobody has written");
  return NULL;
}

int main(int count, char** words) {
  int fds[2];
  pthread_t threads[3];
  if (count != 3 || pipe(fds) != 0) return 1;
  interrupted = atoi(words[2]);
  in = fdopen(fds[0], "r");
  out = fopen("written", "w");
  signal(SIGUSR1, strcmp(words[1], "exit") == 0 ? end_program : make_fault);
  puts("before");
  fflush(stdout);
  for (intptr_t i = 0; i < 3; ++i) must(pthread_create(&threads[i], NULL, run, (void*)i));
  while (!is_waiting) usleep(100);
  usleep(20000);
  must(pthread_kill(threads[interrupted], SIGUSR1));
  must(pthread_join(threads[interrupted], NULL));
}
