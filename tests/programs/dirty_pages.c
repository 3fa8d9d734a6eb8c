// A handler of SIGSEGV that opens the page and returns, as a collector's write barrier does, in all
// threads; and one on a stack of its own below which a page is closed, as Rust's standard library
// makes it for each thread.
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, page = 4096, page_count = 64, round_count = 3 };

static char* heap;
static atomic_int dirty[page_count], fault_count;
static pthread_barrier_t barrier;

static void open_page(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  const long i = ((char*)info->si_addr - heap) / page;
  if (i < 0 || i >= page_count || info->si_code != SEGV_ACCERR) _exit(3);
  atomic_fetch_add(&fault_count, 1);
  atomic_store(&dirty[i], 1);
  if (mprotect(heap + i * page, page, PROT_READ | PROT_WRITE) != 0) _exit(4);
}

static void* make_signal_stack(void) {
  char* low = mmap(NULL, 17 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (low == MAP_FAILED || mprotect(low, page, PROT_NONE) != 0) perror("a stack for signals");
  const stack_t stack = {.ss_sp = low + page, .ss_size = 16 * page};
  if (sigaltstack(&stack, NULL) != 0) perror("sigaltstack");
  return low;
}

static void end_signal_stack(void* low) {
  const stack_t none = {.ss_flags = SS_DISABLE};
  sigaltstack(&none, NULL);
  if (munmap(low, 17 * page) != 0) perror("munmap");
}

static void close_heap(void) {
  memset(dirty, 0, sizeof dirty);
  if (mprotect(heap, page_count * page, PROT_READ) != 0) perror("mprotect");
}

static void count_dirty(int round) {
  int count = 0, sum = 0;
  for (int i = 0; i < page_count; ++i) count += dirty[i];
  for (int i = 0; i < page_count * page; ++i) sum += heap[i];
  printf("round %d: %d dirty, sum %d, %s\n", round, count, sum,
         fault_count >= count ? "each by a fault" : "some without a fault");
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  void* stack = make_signal_stack();
  for (int round = 0; round < round_count; ++round) {
    if (me == round % thread_count) close_heap();
    pthread_barrier_wait(&barrier);
    // Two threads write to each page of some.
    for (int i = me; i < page_count; i += 2 + round) ++heap[i * page + me];
    pthread_barrier_wait(&barrier);
    if (me == 0) count_dirty(round), fault_count = 0;
    pthread_barrier_wait(&barrier);
  }
  end_signal_stack(stack);
  return NULL;
}

int main(void) {
  const struct sigaction action = {.sa_sigaction = open_page, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  heap = mmap(NULL, page_count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  close_heap();
  heap[3 * page] = 1;
  count_dirty(round_count);
}
