// The program ends while threads wait at a futex that nobody wakes: main() returns, another thread
// calls exit(), or abort().
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4 };

static atomic_uint word, waiting;
static const char* how;

static void* run(void* given) {
  const intptr_t self = (intptr_t)given;
  ++waiting;
  if (self == 2 && strcmp(how, "main") != 0) {
    while (waiting != thread_count) usleep(1000);
    if (strcmp(how, "exit") == 0) exit(5);
    abort();
  }
  for (;;) syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

int main(int count, char** words) {
  how = count == 2 ? words[1] : "main";
  if (strcmp(how, "main") != 0) in_threads(thread_count, run);
  pthread_t thread;
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&thread, NULL, run, (void*)i));
  while (waiting != thread_count) usleep(1000);
  puts("all wait");
  return 3;
}
