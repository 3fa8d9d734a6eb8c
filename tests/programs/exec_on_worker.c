// Threads that execute other programs: the last one in place of the whole process, with its status.
// The word says by which call.
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

static const char* how;

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
  char* words[] = {"sh", "-c", "echo $WORD $1; exit 7", "sh", "by a list", NULL};
  fflush(stdout);
  const int folder = open("/bin", O_PATH | O_DIRECTORY);
  if (strcmp(how, "execveat") == 0) execveat(folder, "sh", words, environment, 0);
  else if (strcmp(how, "syscall") == 0) syscall(SYS_execve, "/bin/sh", words, environment);
  else execle("/bin/sh", "sh", "-c", words[2], "sh", "by execle", NULL, environment);
  perror(how);
  return NULL;
}

int main(int argc, char** argv) {
  how = argv[argc - 1];
  in_threads(2, fail);
  in_threads(1, succeed);
  return 1;
}
