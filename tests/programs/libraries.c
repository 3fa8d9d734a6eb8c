// Libraries that are loaded before main(), and when threads run, by main() and by others:
// constructors once, data for all threads, thread_local objects, exceptions, lookups and errors.
#include <dlfcn.h>
#include <string.h>

#include "in_threads.h"
#include "loaded_library.h"

enum { thread_count = 6, add_count = 50 };

struct loaded* loaded_list;  // set before main() already
extern int (*early_call)(void);

static void* library;
static void *mathematics, *c_library;  // of the C core
static void* by_cache;                 // found by the linker's cache
static void* others[thread_count];
static pthread_barrier_t barrier;

static void* find(void* in, const char* name) {
  void* found = dlsym(in, name);
  if (found == NULL) printf("%s: %s\n", name, dlerror());
  return found;
}

static void print_list(const char* when) {
  printf("%s:", when);
  for (const struct loaded* each = loaded_list; each != NULL; each = each->next)
    printf(" %s", each->name);
  puts("");
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  pthread_barrier_wait(&barrier);
  int (*add)(int) = find(library, "library_add");
  int (*own)(void) = find(library, "library_own");
  int (*catch_it)(int) = find(library, "library_catch");
  for (int i = 0; i < add_count; ++i) add(me);
  if (own() != 7 || own() != 8) puts("not as in a new thread");
  double (*cosine)(double) = find(mathematics, "cos");
  early_call();
  size_t (*length)(const char*) = find(c_library, "strlen");
  unsigned long (*sum)(unsigned long, const void*, unsigned) = find(by_cache, "crc32");
  if (length("four") != 4 || sum(0, "123456789", 9) != 0xcbf43926) puts("not what was loaded");
  if (cosine(0) != 1) puts("not the cosine");
  if (catch_it(me) != (me == 1 ? 'o' : 'a')) puts("not caught");
  pthread_barrier_wait(&barrier);
  if (dlsym(library, "no_such_symbol") != NULL || strstr(dlerror(), "no_such_symbol") == NULL ||
      dlerror() != NULL)
    puts("not an error");
  others[me] = dlopen("libtest_loaded_by_worker.so", RTLD_NOW);
  int (*call)(void) = find(others[me], "by_worker_call");
  call();
  return NULL;
}

static void look_at_library(void) {
  int (*common)(void) = find(library, "library_common");
  int (*made)(void) = find(library, "library_made");
  int (*own)(void) = find(library, "library_own");
  int (*number)(void) = find(RTLD_DEFAULT, "needed_number");
  printf("%d %d %d\n", common(), made(), own());
  if (number != NULL) printf("%d %d\n", number(), common());
}

int main(void) {
  must(pthread_barrier_init(&barrier, NULL, thread_count + 1));
  pthread_t threads[thread_count];  // are on other nodes before anything is loaded
  for (intptr_t i = 0; i < thread_count; ++i)
    must(pthread_create(&threads[i], NULL, run, (void*)i));
  printf("%d: ", dlopen("libtest_no_such.so", RTLD_NOW) != NULL);
  printf("%s\n", dlerror());
  printf("%d\n", dlopen("libtest_loaded_library.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
  library = dlopen("libtest_loaded_library.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == NULL) printf("%s\n", dlerror());
  mathematics = dlopen("libm.so.6", RTLD_NOW);
  c_library = dlopen("libc.so.6", RTLD_NOW);
  by_cache = dlopen("libz.so.1", RTLD_NOW);
  print_list("loaded");
  look_at_library();
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < thread_count; ++i) must(pthread_join(threads[i], NULL));
  print_list("at the end");
  int (*add)(int) = find(library, "library_add");
  printf("%d %d\n", add(0), early_call());
  int (*count)(const char*) = find(library, "needed_count");
  printf("%d %d\n", count("needed"), count("thrown"));
  int (*call)(void) = find(others[0], "by_worker_call");
  printf("%d\n", call());
  for (int i = 0; i < thread_count; ++i)
    if (others[i] != others[0] || dlclose(others[i]) != 0) puts("not the same library");
  fflush(stdout);
}
