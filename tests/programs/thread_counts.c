// Threads of the program, of which thread_counts.py knows how many there are. What they do has the
// runtime make calls on other nodes.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "in_threads.h"

static int in[2];
static atomic_int is_told, is_interrupted;

static void ignore(int signal) { (void)signal; }

static void demand(int holds) {
  if (!holds) abort();
}

// Calls that all nodes make.
static void call_on_all(const char* library) {
  demand(setlocale(LC_ALL, "C") != NULL);
  demand(setenv("COUNTED", "no", 1) == 0);
  demand(dlopen(library, RTLD_NOW) != NULL);
  char* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  demand(page != MAP_FAILED);
  *page = 1;
  demand(mprotect(page, 4096, PROT_READ) == 0 && *page == 1);
  demand(munmap(page, 4096) == 0);
}

static void print(const char* line) {
  demand(write(STDOUT_FILENO, line, strlen(line)) == (ssize_t)strlen(line));
}

// Calls that the first node makes.
static void call_on_first(void) {
  const int file = open("/dev/zero", O_RDONLY);
  char byte = 1;
  demand(file >= 0 && read(file, &byte, 1) == 1 && byte == 0 && close(file) == 0);
  print("called\n");
}

static void* work(void* library) {
  call_on_first();
  call_on_all(library);
  is_told = 1;
  char byte = 0;
  demand(read(in[0], &byte, 1) == -1 && errno == EINTR);
  is_interrupted = 1;
  return NULL;
}

// The handler may run before the thread is in its call, and is repeated.
static void interrupt(pthread_t thread) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = ignore;
  must(sigaction(SIGUSR1, &action, NULL));
  while (!is_told) usleep(1000);
  while (!is_interrupted) {
    must(pthread_kill(thread, SIGUSR1));
    usleep(20000);
  }
}

static void one_worker(char* library) {
  pthread_t worker;
  must(pipe(in));
  must(pthread_create(&worker, NULL, work, library));
  must(pthread_setname_np(worker, "counted"));
  interrupt(worker);
  must(pthread_join(worker, NULL));
}

static void* end(void* unused) { return unused; }

static void* make_one(void* unused) {
  pthread_t thread;
  call_on_first();
  must(pthread_create(&thread, NULL, end, NULL));
  must(pthread_join(thread, NULL));
  return unused;
}

static void one_by_worker(void) {
  pthread_t worker;
  must(pthread_create(&worker, NULL, make_one, NULL));
  must(pthread_join(worker, NULL));
}

int main(int argc, char** argv) {
  demand(argc == 3);
  const char* mode = argv[1];
  if (strcmp(mode, "alone") == 0) call_on_all(argv[2]);
  else if (strcmp(mode, "worker") == 0) one_worker(argv[2]);
  else one_by_worker();
  print("end\n");
  return 0;
}
