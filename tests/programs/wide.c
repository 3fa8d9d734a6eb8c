// Wide characters from threads, streams in memory, and numbers by chance from one state.
#include <locale.h>
#include <wchar.h>

#include "in_threads.h"

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  wprintf(L"%d: %ls %.1f\n", me, L"wide", 1.5 * me);
  fwprintf(stdout, L"%lc", L'x');
  fputws(L" a text ", stdout);
  putwchar(L'\u00fc');
  fputwc(L'\n', stdout);
  char* text = NULL;
  size_t size = 0;
  FILE* memory = open_memstream(&text, &size);
  fprintf(memory, "in memory %d", me);
  fclose(memory);
  wprintf(L"%s, %zu\n", text, size);
  free(text);
  char in[] = "17 apples";
  int number = 0;
  memory = fmemopen(in, sizeof in, "r");
  if (fscanf(memory, "%d", &number) != 1) wprintf(L"nothing read\n");
  fclose(memory);
  wprintf(L"%d %d %ld %.6f\n", number, rand() % 1000, lrand48() % 1000, drand48());
  return NULL;
}

int main(void) {
  setlocale(LC_ALL, "C.UTF-8");
  srand(5);
  srand48(6);
  for (intptr_t i = 0; i < 4; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, (void*)i));
    must(pthread_join(thread, NULL));
  }
  run((void*)9);
}
