// Initialised, zeroed and static variables of the program, written by all threads.
#include <string.h>

#include "in_threads.h"

enum { thread_count = 6, count = 5000 };

int numbers[thread_count] = {1, 2, 3, 4, 5, 6};
static long zeroed[count];
static char text[64] = "initialised";
static int* pointers[thread_count] = {numbers, numbers + 1, numbers + 2,
                                      numbers + 3, numbers + 4, numbers + 5};
static const char* names[] = {"zero", "one", "two", "three", "four", "five"};
static const char* name_of_thread[thread_count];

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  *pointers[me] += 100 * me;
  name_of_thread[me] = names[me];
  for (int i = me; i < count; i += thread_count) zeroed[i] = (long)i * i;
  if (me == thread_count - 1) strcat(text, " and changed");
  return NULL;
}

int main(void) {
  in_threads(thread_count, run);
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += zeroed[i];
  for (int i = 0; i < thread_count; ++i) printf("%d %s\n", numbers[i], name_of_thread[i]);
  printf("%ld %s\n", sum, text);
}
