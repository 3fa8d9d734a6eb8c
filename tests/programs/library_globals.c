// Variables of a library, one with a constructor that allocates: seen by all threads, both through
// its functions and directly, by copy relocation.
#include "in_threads.h"
#include "library.h"

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < 100; ++i) library_add(me, 1);
  library_numbers[me + 4] += me;
  if (me == 3) library_text = "written by a thread";
  *library_own() += me;
  return (void*)(intptr_t)(*library_own() - 5 - me);
}

int main(void) {
  in_threads(4, run);
  for (int i = 0; i < 8; ++i) printf("%d ", library_numbers[i]);
  printf("\n%s %d %d\n", library_text, library_calls(), *library_own());
}
