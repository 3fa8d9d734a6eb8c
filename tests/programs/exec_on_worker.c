// Threads that execute other programs: the last one in place of the whole process, with its status.
#include <unistd.h>

#include "in_threads.h"

static void* fail(void* unused) {
  (void)unused;
  execl("/no/such/program", "program", "with", "words", NULL);
  perror("execl");
  printf("%d\n", execlp("no such program", "program", NULL));
  return NULL;
}

static void* succeed(void* unused) {
  (void)unused;
  char* environment[] = {"WORD=told", NULL};
  fflush(stdout);
  execle("/bin/sh", "sh", "-c", "echo $WORD $1; exit 7", "sh", "by execle", NULL, environment);
  perror("execle");
  return NULL;
}

int main(void) {
  in_threads(2, fail);
  in_threads(1, succeed);
  return 1;
}
