// The locale that main() sets holds in threads, and one that a thread sets in main().
#include <locale.h>
#include <wchar.h>

#include "in_threads.h"

static void* run(void* given) {
  wchar_t wide[16];
  const size_t length = mbstowcs(wide, "gr\u00fc\u00df", 16);
  printf("%d: %s, %zu characters\n", (int)(intptr_t)given, setlocale(LC_CTYPE, NULL),
         length == (size_t)-1 ? 0 : length);
  return NULL;
}

// Of one thread only, and of what it prints.
static void* use(void* given) {
  const int me = (int)(intptr_t)given;
  if (me % 2 == 0) uselocale(newlocale(LC_ALL_MASK, "C", NULL));
  FILE* file = fopen("/dev/null", "w");
  printf("%d: %d\n", me, fprintf(file, "%ls", L"gr\u00fc\u00df"));
  fclose(file);
  uselocale(LC_GLOBAL_LOCALE);
  return NULL;
}

static void* set(void* unused) {
  (void)unused;
  setlocale(LC_ALL, "C");
  return NULL;
}

static void one_after_the_other(void* (*function)(void*)) {
  for (intptr_t i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, function, (void*)i));
    must(pthread_join(thread, NULL));
  }
}

int main(void) {
  one_after_the_other(run);
  setlocale(LC_ALL, "C.UTF-8");
  one_after_the_other(run);
  one_after_the_other(use);
  in_threads(2, set);
  run((void*)9);
}
