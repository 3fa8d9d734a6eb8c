// 60 GiB of address space in maps of several GiB, of which threads fill a page here and there, and
// look at those of others and at what nobody has touched. Twice: what was unmapped is had again.
#include <string.h>
#include <sys/mman.h>

#include "in_threads.h"

enum { map_count = 15, thread_count = 6, round_count = 2, pages_a_map = 48, page_bytes = 4096 };

static const size_t map_bytes = (size_t)4 << 30;
static char* maps[map_count];
static long wrong[thread_count], looked_at[thread_count];
static int current_round;
static pthread_barrier_t barrier;

// The first and the last page of a map are among them.
static unsigned long* page_at(int map, int number) {
  const size_t page_count = map_bytes / page_bytes;
  return (unsigned long*)(maps[map] + (page_count - 1) * (size_t)number / (pages_a_map - 1) *
                                          page_bytes);
}

static unsigned long word_of(int map, int number, size_t word) {
  return ((unsigned long)(current_round + 1) << 48) + ((unsigned long)map << 32) +
         ((unsigned long)number << 16) + word;
}

// Of three pages of a thread one stays untouched.
static int is_filled(int number) { return number / thread_count % 3 != 2; }

static void fill(int map, int number) {
  unsigned long* page = page_at(map, number);
  for (size_t i = 0; i < page_bytes / sizeof *page; ++i) page[i] = word_of(map, number, i);
}

static void look(int me, int map, int number, int has_words) {
  const unsigned long* page = page_at(map, number);
  for (size_t i = 0; i < page_bytes / sizeof *page; ++i)
    wrong[me] += page[i] != (has_words ? word_of(map, number, i) : 0);
  ++looked_at[me];
}

static void look_at_pages_of(int me, int thread, int are_filled) {
  for (int map = 0; map < map_count; ++map)
    for (int number = thread; number < pages_a_map; number += thread_count)
      look(me, map, number, are_filled && is_filled(number));
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  look_at_pages_of(me, me, 0);
  pthread_barrier_wait(&barrier);
  for (int map = 0; map < map_count; ++map)
    for (int number = me; number < pages_a_map; number += thread_count)
      if (is_filled(number)) fill(map, number);
  pthread_barrier_wait(&barrier);
  for (int other = 1; other < thread_count; ++other)
    look_at_pages_of(me, (me + other) % thread_count, 1);
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  for (current_round = 0; current_round < round_count; ++current_round) {
    for (int i = 0; i < map_count; ++i) {
      void* made = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (made == MAP_FAILED) return perror("mmap"), 1;
      maps[i] = made;
    }
    in_threads(thread_count, run);
    for (int i = 0; i < map_count; ++i)
      if (munmap(maps[i], map_bytes) != 0) perror("munmap");
    for (int i = 0; i < thread_count; ++i) printf("%ld of %ld\n", wrong[i], looked_at[i]);
  }
}
