// What a library's constructor has done before main(): memory that it has mapped is that of all
// threads, thread_local objects that it has set are main()'s.
#include <string.h>

#include "early_library.h"
#include "in_threads.h"

enum { thread_count = 4, page = 4096 };

static _Thread_local int own = 7;
static pthread_barrier_t barrier;

static void* run(void* given) {
  const int me = (int)(intptr_t)given, other = (me + 1) % thread_count;
  if (strcmp(early_pages, "mapped by a constructor") != 0) puts("not what was mapped");
  if (memcmp(early_file, "\177ELF", 4) != 0) puts("not the file that was mapped");
  if (early_number != 5 || early_text[0] != '\0' || early_own() != 6 || own != 7)
    puts("not as in a new thread");
  early_pages[(me + 1) * page] = (char)('a' + me);
  pthread_barrier_wait(&barrier);
  if (early_pages[(other + 1) * page] != 'a' + other) puts("not stored for all");
  return NULL;
}

int main(void) {
  pthread_barrier_init(&barrier, NULL, thread_count);
  printf("%d, %s, %d, %d\n", early_number, early_text, early_own(), own);
  in_threads(thread_count, run);
  for (int i = 0; i <= thread_count; ++i) putchar(early_pages[i * page]);
  puts("");
}
