// What can't be served on several nodes: refused FUNCTION [WHERE] calls it, in main() or, with
// "away", in a thread on another node, and says what it got, if it goes on.
#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pty.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "in_threads.h"

enum { page = 4096 };

static int descriptor;
static _Alignas(page) char block[page];

static FILE* open_cookie(void) {
  static const cookie_io_functions_t functions;
  return fopencookie(&descriptor, "r", functions);
}

static void* map_file(off_t begin, size_t bytes, int flags) {
  if (descriptor == 0) descriptor = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (ftruncate(descriptor, 8 * page) != 0) abort();
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, descriptor, begin);
}

static void* map_pages(int flags) {
  return mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void map_overlapping(void) {
  map_file(0, 2 * page, 0);
  map_file(page, 2 * page, 0);
}

static void map_over_twice_mapped(void) {
  void* pages = map_file(0, 2 * page, 0);
  map_file(0, 2 * page, 0);
  mmap(pages, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void make_mutexes(int protocol) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  must(pthread_mutexattr_setprotocol(&attributes, protocol));
  for (int i = 0; i < 2; ++i) {
    pthread_mutex_t mutex;
    const int error = pthread_mutex_init(&mutex, &attributes);
    printf("%s\n", error == 0 ? "made" : strerrorname_np(error));
    if (error != 0) continue;
    must(pthread_mutex_lock(&mutex));
    must(pthread_mutex_unlock(&mutex));
    must(pthread_mutex_destroy(&mutex));
  }
}

static void* tell_policy(void* unused) {
  int policy;
  struct sched_param parameters;
  must(pthread_getschedparam(pthread_self(), &policy, &parameters));
  printf("policy %d, priority %d\n", policy, parameters.sched_priority);
  return unused;
}

static void make_threads_of_policy(void) {
  pthread_attr_t attributes;
  const struct sched_param parameters = {.sched_priority = 3};
  pthread_attr_init(&attributes);
  must(pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED));
  must(pthread_attr_setschedpolicy(&attributes, SCHED_RR));
  must(pthread_attr_setschedparam(&attributes, &parameters));
  for (int i = 0; i < 2; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, &attributes, tell_policy, NULL));
    must(pthread_join(thread, NULL));
  }
}

static void go_on_as_child(pid_t pid) {
  if (pid == 0) _exit(0);
  printf("%d, %s\n", pid, strerrorname_np(errno));
}

static void say_result(int result) { printf("%d, %s\n", result, strerrorname_np(errno)); }

static int run_as_clone(void* unused) {
  (void)unused;
  return 0;
}

static int clone_it(int flags) {
  static char stack[65536] __attribute__((aligned(16)));
  return clone(run_as_clone, stack + sizeof stack, flags | SIGCHLD, NULL);
}

// What calls back, in a thread.
static int notify(const char* what) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD;
  timer_t timer;
  static struct aiocb block;
  block.aio_sigevent = event;
  if (strcmp(what, "timer_create") == 0) return timer_create(CLOCK_MONOTONIC, &event, &timer);
  if (strcmp(what, "aio_read") == 0) return aio_read(&block);
  struct gaicb request = {"localhost", NULL, NULL, NULL, 0, {0}};
  struct gaicb* list[] = {&request};
  return getaddrinfo_a(GAI_WAIT, list, 1, NULL);
}

static void call(const char* what) {
  if (strcmp(what, "fork") == 0) go_on_as_child(fork());
  else if (strcmp(what, "_Fork") == 0) go_on_as_child(_Fork());
  else if (strcmp(what, "forkpty") == 0) go_on_as_child(forkpty(&descriptor, NULL, NULL, NULL));
  else if (strcmp(what, "syscall fork") == 0) go_on_as_child((pid_t)syscall(SYS_fork));
  else if (strcmp(what, "syscall clone") == 0)
    go_on_as_child((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
  else if (strcmp(what, "clone") == 0) say_result(clone_it(0));
  else if (strcmp(what, "clone as vfork") == 0) say_result(clone_it(CLONE_VM | CLONE_VFORK) > 0);
  else if (strcmp(what, "timer_create") == 0 || strcmp(what, "aio_read") == 0 ||
           strcmp(what, "getaddrinfo_a") == 0)
    say_result(notify(what));
  else if (strcmp(what, "daemon") == 0) go_on_as_child(daemon(1, 1));
  else if (strcmp(what, "vfork") == 0) go_on_as_child(vfork());
  else if (strcmp(what, "dlopen") == 0) {
    void* library = dlopen("libgomp.so.1", RTLD_NOW);
    const char* error = dlerror();
    printf("%s, %s\n", library == NULL ? "none" : "some", error);
  } else if (strcmp(what, "dlopen none") == 0) {
    for (int i = 0; i < 2; ++i) {
      const void* library = dlopen(i == 0 ? "libnone.so.1" : "/none/libnone.so", RTLD_NOW);
      printf("%s, %s\n", library == NULL ? "none" : "some", dlerror());
    }
  } else if (strcmp(what, "dlmopen") == 0) {
    void* library = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
    const char* error = dlerror();
    printf("%s, %s\n", library == NULL ? "none" : "some", error);
  } else if (strcmp(what, "shmat") == 0) shmat(shmget(IPC_PRIVATE, 4096, 0600), NULL, 0);
  else if (strcmp(what, "sem_open") == 0) sem_open("/refused", O_CREAT, 0600, 1);
  else if (strcmp(what, "fopencookie") == 0) open_cookie();
  else if (strcmp(what, "overlap") == 0) map_overlapping();
  else if (strcmp(what, "over_twice") == 0) map_over_twice_mapped();
  else if (strcmp(what, "low") == 0) map_pages(MAP_32BIT);
  else if (strcmp(what, "move_foreign") == 0) mremap(block, page, 2 * page, MREMAP_MAYMOVE);
  else if (strcmp(what, "keep_old") == 0)
    mremap(map_pages(0), page, page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  else if (strcmp(what, "code") == 0)
    mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  else if (strcmp(what, "fixed") == 0)
    mmap((void*)0x10000000, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  else if (strcmp(what, "sbrk") == 0) sbrk(4096);
  else if (strcmp(what, "protect") == 0) {
    void* pages = map_pages(0);
    for (int i = 0; i < 2; ++i) {
      const int status = mprotect(pages, page, PROT_READ | PROT_EXEC);
      printf("%d, %s\n", status, strerrorname_np(errno));
    }
  } else if (strcmp(what, "inherit") == 0) make_mutexes(PTHREAD_PRIO_INHERIT);
  else if (strcmp(what, "ceiling") == 0) make_mutexes(PTHREAD_PRIO_PROTECT);
  else if (strcmp(what, "policy") == 0) make_threads_of_policy();
  else if (strcmp(what, "much") == 0) {
    for (int i = 0; i < 2; ++i) {
      void* volatile block = malloc((size_t)4 << 40);
      printf("%s, %s\n", block == NULL ? "none" : "some", strerrorname_np(errno));
    }
    printf("%d\n", mmap(NULL, (size_t)4 << 40, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED);
  }
  puts("went on");
}

static void* run(void* what) {
  call(what);
  return NULL;
}

static void* read_clock(void* thread) {
  clockid_t clock;
  pthread_getcpuclockid(*(pthread_t*)thread, &clock);
  return NULL;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  pthread_t self = pthread_self(), thread;
  if (strcmp(argv[1], "clock") == 0) {
    must(pthread_create(&thread, NULL, read_clock, &self));
    must(pthread_join(thread, NULL));
  } else if (argc > 2) {
    must(pthread_create(&thread, NULL, run, argv[1]));
    must(pthread_join(thread, NULL));
  } else call(argv[1]);
}
