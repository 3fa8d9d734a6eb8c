// The program ends while threads wait at a futex that nobody wakes: main() returns, another thread
// calls exit(), or abort(); which one, the second word says.
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "one_ends.h"

enum { thread_count = 4 };

static atomic_uint word, waiting;
static const char* how;

static void* run(void* given) {
  ++waiting;
  if (strcmp(how, "main") != 0 && is_ending(given)) {
    await_all();
    while (waiting != thread_count) usleep(1000);
    if (strcmp(how, "exit") == 0) exit(5);
    abort();
  }
  for (;;) syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

int main(int count, char** words) {
  how = words[1];
  if (count == 3) one_ends(words[2], thread_count, run);
  pthread_t thread;
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&thread, NULL, run, (void*)i));
  while (waiting != thread_count) usleep(1000);
  puts("all wait");
  return 3;
}
