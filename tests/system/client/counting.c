/* Shows that libgallocy allocates nothing after gallocy_init. Runs under `gallocy-run -n 1`: it
   needs a daemon. malloc, calloc and realloc are interposed by this executable and counted per
   thread; the positive controls show that the counter is wired. */
#include <errno.h>
#include <fcntl.h>
#include <gallocy/gallocy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local long calls;
static void* volatile sink;

/* A sanitizer brings an allocator of its own, which can't be interposed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);

void* malloc(size_t size) { return ++calls, __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return ++calls, __libc_calloc(count, size); }
void* realloc(void* block, size_t size) { return ++calls, __libc_realloc(block, size); }
#endif

static int wired(void) {
  long before = calls;
  sink = malloc(10);
  free(sink);
  if (calls != before + 1) return 0;
  before = calls;
  FILE* file = fdopen(dup(1), "w");
  if (file != NULL) fclose(file);
  return calls > before;
}

/* Size of the address space in pages, without the C library's streams. The mapped size and not
   the resident one: touching the region makes pages resident by design. */
static long mapped_pages(void) {
  char text[128] = {0};
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (read(fd, text, sizeof text - 1) <= 0) return -1;
  close(fd);
  return strtol(text, NULL, 10);
}

static int requests(pthread_mutex_t* mutex) {
  int wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    wrong += gallocy_pthread_mutex_lock(mutex) != 0;
    wrong += gallocy_pthread_mutex_unlock(mutex) != 0;
    void* small = gallocy_malloc(100);
    void* large = gallocy_calloc(1, 100000);
    wrong += small == NULL || large == NULL;
    gallocy_free(large);
    gallocy_free(small);
  }
  return wrong;
}

static int errors(pthread_mutex_t* mutex) {
  static pthread_mutex_t local = PTHREAD_MUTEX_INITIALIZER;
  int wrong = 0;
  for (int i = 0; i < 100; ++i) {
    wrong += gallocy_pthread_mutex_lock(&local) != EINVAL;
    wrong += gallocy_pthread_mutex_unlock(mutex) != EPERM;
    wrong += gallocy_malloc((size_t)1 << 50) != NULL || errno != ENOMEM;
    wrong += gallocy_calloc(SIZE_MAX, 2) != NULL;
    wrong += gallocy_init() != EALREADY;
    wrong += gallocy_last_error()[0] == '\0';
  }
  return wrong;
}

int main(void) {
#if defined(SANITIZED)
  return printf("skipped: a sanitizer build\n"), 77;
#endif
  if (!wired()) return printf("counter not wired\n"), 1;
  if (gallocy_init() != 0) return printf("%s\n", gallocy_last_error()), 1;
  pthread_mutex_t* mutex = gallocy_malloc(sizeof *mutex);
  if (mutex == NULL || gallocy_pthread_mutex_init(mutex, NULL) != 0) return 1;
  mapped_pages();
  const long calls_before = calls, pages_before = mapped_pages();
  const void* break_before = sbrk(0);
  const int wrong = requests(mutex) + errors(mutex);
  const long delta = calls - calls_before, pages = mapped_pages() - pages_before;
  const long grown = (const char*)sbrk(0) - (const char*)break_before;
  printf("allocations %ld, break grew %ld bytes, mapped pages grew %ld, wrong answers %d\n", delta,
         grown, pages, wrong);
  return delta == 0 && grown == 0 && pages == 0 && wrong == 0 && wired() ? 0 : 1;
}
