// For keeper.py: threads write and read pages that are never zero, all the time, until the program
// is ended from outside. What reads as zero is told by "zero at ADDRESS". Each thread says
// "running" when it begins. With the argument "closes", it closes all descriptors that the program
// did not open, as some do when they begin.
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

enum { page_count = 2048, thread_count = 4, words_a_page = 512 };

static unsigned long pages[page_count][words_a_page];
static atomic_int running;
static int closes;

// By an instruction of its own: a call of the C library's would be made by the first node, and be
// lost where a node has lost its daemon.
static void tell_zero(const void* address) {
  char line[64];
  const long size = snprintf(line, sizeof line, "zero at %p\n", address);
  long status = SYS_write;
  __asm__ volatile("syscall"
                   : "+a"(status)
                   : "D"(1L), "S"(line), "d"(size)
                   : "rcx", "r11", "memory");
}

static unsigned next(unsigned* seed) { return (*seed = *seed * 1103515245 + 12345) >> 8; }

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  printf("running %d\n", me);
  fflush(stdout);
  ++running;
  while (running < thread_count) usleep(1000);
  if (closes) {
    (void)close_range(3, ~0u, 0);
    printf("closed %d\n", me);
    fflush(stdout);
  }
  for (unsigned seed = (unsigned)me;;) {
    unsigned long* word = &pages[next(&seed) % page_count][next(&seed) % words_a_page];
    if (*(volatile unsigned long*)word == 0) tell_zero(word);
    if (next(&seed) % 4 == 0) *(volatile unsigned long*)word = seed | 1;
  }
  return NULL;
}

int main(int argc, char** argv) {
  closes = argc > 1 && strcmp(argv[1], "closes") == 0;
  for (unsigned i = 0; i < page_count; ++i)
    for (unsigned j = 0; j < words_a_page; ++j) pages[i][j] = i + 1;
  in_threads(thread_count, run);
}
