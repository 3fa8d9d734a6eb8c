#include "library.h"

#include <pthread.h>
#include <stdlib.h>

int library_numbers[8] = {10, 20, 30, 40, 50, 60, 70, 80};
const char* library_text = "as linked";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int calls;
static int* made_by_constructor;
static _Thread_local int own = 5;

__attribute__((constructor)) static void construct(void) {
  made_by_constructor = malloc(sizeof(int));
  *made_by_constructor = 1000;
}

void library_add(int index, int value) {
  pthread_mutex_lock(&lock);
  library_numbers[index] += value;
  ++calls;
  ++*made_by_constructor;
  pthread_mutex_unlock(&lock);
}

int library_calls(void) { return calls + *made_by_constructor; }

int* library_own(void) { return &own; }
