// Memory that may not be read or written: in every thread, of whatever the memory is, and also for
// the kernel; what undoes it; and what mprotect refuses.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, page = 4096, guard_count = 300, turn_count = 10 };

static _Thread_local sigjmp_buf place;
static _Thread_local int code;
static _Thread_local char* volatile where;
static _Alignas(4096) char globals[3 * page];
static char *pages, *guarded, *reserved, *in_turn, *resized;
static int faulted[thread_count];
static pthread_barrier_t barrier;

static void meet(void) { pthread_barrier_wait(&barrier); }

static void jump(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  code = info->si_code;
  where = info->si_addr;
  siglongjmp(place, 1);
}

// Of a load and of a store: 0, or 2 (SEGV_ACCERR) and that it was at that address.
static int load(char* at) {
  if (sigsetjmp(place, 1) != 0) return where == at ? code : -1;
  return *(volatile char*)at, 0;
}
static int store(char* at) {
  if (sigsetjmp(place, 1) != 0) return where == at ? code : -1;
  *(volatile char*)at = 7;
  return 0;
}

static void protect(void* at, size_t bytes, int protection) {
  if (mprotect(at, bytes, protection) != 0) perror("mprotect");
}

static char* map(void* at, size_t bytes, int protection, int flags) {
  void* made = mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (made == MAP_FAILED) perror("mmap");
  return made;
}

// In turns, so that what is told has an order.
static void tell(int me, const char* what, char* at) {
  for (int turn = 0; turn < thread_count; ++turn) {
    if (turn == me) printf("%d: %s: %d %d\n", me, what, load(at), store(at));
    fflush(stdout);
    meet();
  }
}

static void one_for_all(int me) {
  if (me == 0) {
    pages = map(NULL, 8 * page, PROT_READ | PROT_WRITE, 0);
    memset(pages, 1, 8 * page);
  }
  meet();
  if (me == 1) {
    protect(pages + 2 * page, page, PROT_NONE);
    protect(pages + 5 * page, page, PROT_READ);
  }
  meet();
  tell(me, "before", pages + 2 * page - 1);
  tell(me, "none", pages + 2 * page + me);
  tell(me, "behind", pages + 3 * page);
  tell(me, "read only", pages + 5 * page + 100);
  if (me == 2) protect(pages, 8 * page, PROT_READ);
  meet();
  tell(me, "read again", pages + 2 * page + 5);
  if (me == 3) protect(pages, 6 * page, PROT_WRITE);
  meet();
  tell(me, "written", pages + 2 * page + me);
  tell(me, "not written", pages + 6 * page + me);
}

static void by_kernel(int me) {
  if (me == 1) protect(pages, page, PROT_NONE), protect(pages + page, page, PROT_READ);
  meet();
  for (int turn = 0; turn < thread_count; ++turn, meet()) {
    if (turn != me) continue;
    const int zero = open("/dev/zero", O_RDONLY), out = open("out", O_WRONLY | O_CREAT, 0600);
    errno = 0;
    long status = read(zero, pages, 10);
    printf("%d: read into none: %ld %d\n", me, status, errno);
    status = read(zero, pages + page, 10);
    printf("%d: read into read only: %ld %d\n", me, status, errno);
    status = write(out, pages, 10);
    printf("%d: write of none: %ld %d\n", me, status, errno);
    status = write(out, pages + page, 10);
    printf("%d: write of read only: %ld\n", me, status);
    fflush(stdout);
    close(zero);
    close(out);
  }
}

static void fails(const char* what, int status) { printf("%s: %d %d\n", what, status, errno); }

static void refused(int me) {
  if (me != 2) return;
  errno = 0;
  fails("not at a page", mprotect(pages + 1, page, PROT_NONE));
  errno = 0;
  fails("nothing", mprotect(pages, 0, PROT_NONE));
  fails("grows down", mprotect(pages, page, PROT_READ | PROT_GROWSDOWN));
  munmap(pages + 4 * page, page);
  fails("a hole", mprotect(pages + 4 * page, 3 * page, PROT_READ));
  munmap(pages, 8 * page);
}

static void other_memory(int me) {
  char* block = NULL;
  char on_stack[4 * page];
  char* of_stack = (char*)(((uintptr_t)on_stack + page - 1) / page * page);
  if (posix_memalign((void**)&block, page, 600 * page) != 0) puts("no memory");
  protect(block + page, 599 * page, PROT_NONE);
  protect(block + 590 * page, page, PROT_READ);
  protect(of_stack, page, PROT_READ);
  if (me == 3) protect(globals + page, page, PROT_READ);
  meet();
  tell(me, "block", block);
  tell(me, "inside a block", block + page);
  tell(me, "at its end", block + 590 * page);
  tell(me, "stack", of_stack + 10);
  tell(me, "stack behind", of_stack + page + 10);
  tell(me, "globals", globals + page + me);
  tell(me, "globals behind", globals + 2 * page + me);
  protect(of_stack, page, PROT_READ | PROT_WRITE);
  free(block);
  memset(malloc(600 * page), 1, 600 * page);
}

static void reserve(int me) {
  const size_t share = 16 * page;
  if (me == 3) reserved = map(NULL, thread_count * share, PROT_NONE, MAP_NORESERVE);
  meet();
  char* mine = reserved + me * share;
  tell(me, "reserved", mine);
  protect(mine, 8 * page, PROT_READ | PROT_WRITE);
  memset(mine, me + 1, 8 * page);
  meet();
  tell(me, "of the next", reserved + (me + 1) % thread_count * share);
  tell(me, "still reserved", mine + 8 * page);
  protect(mine, 4 * page, PROT_NONE);
  if (madvise(mine, 8 * page, MADV_DONTNEED) != 0) perror("madvise");
  tell(me, "given back", mine);
  protect(mine, 16 * page, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < share; ++i)
    if (mine[i] != 0 && (i != 0 || mine[i] != 7)) puts("something is left");
  memset(mine, 9, share);
  map(mine + page, page, PROT_NONE, MAP_FIXED);
  map(mine + 2 * page, page, PROT_READ, MAP_FIXED);
  meet();
  tell(me, "none over it", mine + page);
  tell(me, "zeros over it", mine + 2 * page);
  map(mine, share, PROT_READ | PROT_WRITE, MAP_FIXED);
  tell(me, "all over it", mine + page);
}

static void resize(int me) {
  if (me == 0) {
    resized = map(NULL, 4 * page, PROT_READ | PROT_WRITE, 0);
    strcpy(resized, "kept");
    protect(resized, 4 * page, PROT_READ);
    resized = mremap(resized, 4 * page, 600 * page, MREMAP_MAYMOVE);
    if (strcmp(resized, "kept") != 0) puts("lost by mremap");
  }
  meet();
  tell(me, "moved", resized);
  tell(me, "moved, its end", resized + 599 * page);
  if (me == 1) protect(resized + page, page, PROT_NONE);
  if (me == 1 && mremap(resized, 4 * page, 700 * page, MREMAP_MAYMOVE) == MAP_FAILED)
    printf("of two protections: %d\n", errno);
  meet();
  if (me == 2) munmap(resized, 600 * page);
  meet();
  resized = NULL;
  meet();
  char* fresh = map(NULL, 600 * page, PROT_READ | PROT_WRITE, 0);
  memset(fresh, 1, 600 * page);
  munmap(fresh, 600 * page);
}

static void of_file(int me) {
  const int fd = open("text", O_RDWR);
  char* text = mmap(NULL, 2 * page, PROT_READ, me % 2 ? MAP_PRIVATE : MAP_SHARED, fd, 0);
  close(fd);
  meet();  // while the same is mapped for another thread, this one might store there
  tell(me, "file", text + 10);
  if (me % 2) protect(text, page, PROT_READ | PROT_WRITE);
  meet();
  tell(me, "file to write", text + 10);
  tell(me, "its rest", text + page);
  munmap(text, 2 * page);
}

static void many(int me) {
  if (me == 1) guarded = map(NULL, 2 * guard_count * page, PROT_READ | PROT_WRITE, 0);
  meet();
  for (int i = me; i < guard_count; i += thread_count)
    if (syscall(SYS_mprotect, guarded + 2 * i * page, (long)page, PROT_NONE) != 0) perror("guard");
  meet();
  int sum = 0;
  for (int i = 0; i < 2 * guard_count; ++i) sum += load(guarded + i * page);
  faulted[me] = sum / SEGV_ACCERR;
  meet();
  if (me == 0)
    for (int i = 0; i < thread_count; ++i) printf("%d guards\n", faulted[i]);
  if (me == 2) munmap(guarded, 2 * guard_count * page);
  meet();
}

// All at once: whoever was last, all nodes have it.
static void races(int me) {
  if (me == 0) in_turn = map(NULL, page, PROT_READ | PROT_WRITE, 0);
  for (int turn = 0; turn < turn_count; ++turn) {
    meet();
    protect(in_turn, page, me % 2 ? PROT_READ | PROT_WRITE : PROT_NONE);
    meet();
    faulted[me] = load(in_turn);
    meet();
    if (faulted[me] != faulted[0]) puts("two nodes differ");
  }
  meet();
  if (me == 1) munmap(in_turn, page);
}

// What lies below a thread's stack, as its creator asked for it.
static void* look_below(void* given) {
  pthread_attr_t attributes;
  size_t guard = 1, bytes = 0;
  void* stack = NULL;
  must(pthread_getattr_np(pthread_self(), &attributes));
  pthread_attr_getguardsize(&attributes, &guard);
  pthread_attr_getstack(&attributes, &stack, &bytes);
  pthread_attr_destroy(&attributes);
  char* const low = stack;
  printf("%s: %zu bytes", (const char*)given, guard);
  if (guard != 0) printf(" %d %d", store(low - 1), load(low - guard));
  protect(low + 8 * page, page, PROT_READ);
  printf(" above it %d %d", store(low + 8 * page), store(low + 9 * page));
  protect(low + 8 * page, page, PROT_READ | PROT_WRITE);
  puts("");
  return NULL;
}

static void guard_areas(void) {
  const size_t guards[] = {0, 1, page, page + 1, 16 * page};
  pthread_t thread;
  must(pthread_create(&thread, NULL, look_below, "usual"));
  must(pthread_join(thread, NULL));
  for (int i = 0; i < 5; ++i) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setguardsize(&attributes, guards[i]);
    must(pthread_create(&thread, &attributes, look_below, "asked for"));
    must(pthread_join(thread, NULL));
  }
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  one_for_all(me);
  by_kernel(me);
  refused(me);
  meet();
  other_memory(me);
  reserve(me);
  resize(me);
  of_file(me);
  many(me);
  races(me);
  return NULL;
}

int main(void) {
  const struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  FILE* file = fopen("text", "w");
  for (int i = 0; i < 2 * page; ++i) fputc('a' + i % 26, file);
  fclose(file);
  char* own = map(NULL, 2 * page, PROT_READ | PROT_WRITE, 0);
  protect(own, page, PROT_NONE);
  printf("main: %d %d %d\n", load(own), store(own), store(own + page));
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  printf("globals: %d\n", store(globals + page));
  guard_areas();
}
