// Thousands of steps by chance, of threads on all nodes: pages are mapped, unmapped in parts,
// mapped over, moved, dropped, and given to other threads. What each page must hold is known.
#include <string.h>
#include <sys/mman.h>

#include "in_threads.h"

enum { thread_count = 4, round_count = 6, step_count = 150, area_count = 6, page = 4096,
       page_count_max = 300 };

struct Area {  // of one thread at a time
  char* pages;                    // NULL: there is none
  int count;
  int is_changed;                 // it is of several parts, which can't be moved at once
  unsigned held[page_count_max];  // 0: zeros
  char gone[page_count_max];      // unmapped
};

static struct {
  _Alignas(page) struct Area areas[area_count];
  unsigned checks;
} own[thread_count];
static pthread_barrier_t barrier;

static unsigned chance(unsigned* state, unsigned below) {
  *state = *state * 1664525 + 1013904223;
  return (*state >> 8) % below;
}

static unsigned* word(const struct Area* area, int number) {
  const size_t place = (size_t)number * 52 % page;  // of a page
  return (unsigned*)(void*)(area->pages + (size_t)number * page + place);
}

static void check(int me, const struct Area* area, const char* when) {
  for (int i = 0; i < area->count; ++i) {
    if (area->gone[i]) continue;
    if (*word(area, i) != area->held[i]) {
      printf("thread %d, after %s: page %d has %u instead of %u\n", me, when, i, *word(area, i),
             area->held[i]);
      abort();
    }
    own[me].checks = own[me].checks * 31 + area->held[i];
  }
}

static void store(struct Area* area, int number, unsigned value) {
  if (area->gone[number]) return;
  area->held[number] = *word(area, number) = value;
}

static void make(struct Area* area, int count) {
  memset(area, 0, sizeof *area);
  area->count = count;
  area->pages = mmap(NULL, (size_t)count * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area->pages == MAP_FAILED) abort();
}

// Where pages are gone, something of another thread may be by now.
static int has_gone(const struct Area* area, int first, int count) {
  return memchr(area->gone + first, 1, (size_t)count) != NULL;
}

static void end(struct Area* area) {
  for (int i = 0, next; i < area->count; i = next + 1) {
    for (next = i; next < area->count && !area->gone[next];) ++next;
    const size_t bytes = (size_t)(next - i) * page;
    if (bytes > 0 && munmap(area->pages + (size_t)i * page, bytes) != 0) perror("munmap");
  }
  area->pages = NULL;
}

static void resize(struct Area* area, int count) {
  if (area->is_changed) return;
  area->pages = mremap(area->pages, (size_t)area->count * page, (size_t)count * page,
                       MREMAP_MAYMOVE);
  if (area->pages == MAP_FAILED) abort();
  for (int i = area->count; i < count; ++i) area->held[i] = 0;
  area->count = count;
}

static const char* change(struct Area* area, int first, int count, unsigned kind) {
  char* there = area->pages + (size_t)first * page;
  const size_t bytes = (size_t)count * page;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (has_gone(area, first, count)) return "nothing";
  area->is_changed |= kind != 1;
  if (kind == 0) {
    if (munmap(there, bytes) != 0) perror("munmap");
    memset(area->gone + first, 1, (size_t)count);
    if (memchr(area->gone, 0, (size_t)area->count) == NULL) area->pages = NULL;
    return "munmap";
  }
  if (kind == 1) madvise(there, bytes, MADV_DONTNEED);
  else if (mmap(there, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) != there) perror("mmap");
  memset(area->held + first, 0, (size_t)count * sizeof area->held[0]);
  return kind == 1 ? "madvise" : "mmap";
}

static void step(int me, unsigned* state) {
  struct Area* area = &own[me].areas[chance(state, area_count)];
  if (area->pages == NULL) return make(area, 1 + (int)chance(state, page_count_max));
  const unsigned kind = chance(state, 10);
  const int first = (int)chance(state, (unsigned)area->count);
  const int count = 1 + (int)chance(state, (unsigned)(area->count - first));
  const char* what = "stores";
  if (kind < 3) what = change(area, first, count, kind);
  else if (kind == 3) resize(area, 1 + (int)chance(state, page_count_max));
  else if (kind == 4) return end(area);
  else for (int i = 0; i < count; i += 3) store(area, first + i, chance(state, 1000000));
  if (area->pages != NULL) check(me, area, what);
}

static void* run(void* given) {
  const int number = (int)(intptr_t)given;
  for (int round = 0; round < round_count; ++round) {
    const int me = (number + round) % thread_count;  // whose areas it has
    unsigned state = (unsigned)(me * 1000 + round);
    for (int i = 0; i < step_count; ++i) step(me, &state);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  for (int i = 0; i < thread_count; ++i) printf("%u\n", own[i].checks);
}
