// Whoever is started before main() lingers on its way, and looks at what a constructor has
// allocated: as the C library reads the locale there before a thread runs its function.
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { size_bytes = 4096, starts_max = 8, lingers_ms = 100 };

atomic_int slow_starts_main_runs, slow_starts_wrong;

static char* g_allocated;
static struct start {
  void* (*function)(void*);
  void* argument;
} g_starts[starts_max];
static atomic_int g_start_count;

__attribute__((constructor)) static void allocate(void) {
  g_allocated = malloc(size_bytes);
  memset(g_allocated, 7, size_bytes);
}

static int has_passed(const struct timespec* end) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec > end->tv_nsec);
}

static void* linger(void* given) {
  const struct start* start = given;
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_nsec += lingers_ms * 1000000L;
  if (end.tv_nsec >= 1000000000) end.tv_nsec -= 1000000000, ++end.tv_sec;
  const volatile char* const seen = g_allocated;  // none on other nodes than the first
  for (int i = 0; !has_passed(&end); i = (i + 1) % size_bytes)
    if (seen != NULL && seen[i] != 7) slow_starts_wrong = 1;
  return start->function(start->argument);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                   void* argument) {
  int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) =
      (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))(
          dlsym(RTLD_NEXT, "pthread_create"));
  if (slow_starts_main_runs || g_start_count == starts_max)
    return next(thread, attributes, function, argument);
  struct start* start = &g_starts[g_start_count++];
  *start = (struct start){function, argument};
  return next(thread, attributes, linger, start);
}
