// Thread-specific data, with a destructor that sets its key again.
#include <stdatomic.h>

#include "in_threads.h"

static pthread_key_t key, again;
static atomic_int destroyed, rounds;

static void destroy(void* value) {
  destroyed += *(int*)value;
  free(value);
}
static void set_again(void* value) {
  ++rounds;
  if ((intptr_t)value > 1) pthread_setspecific(again, (void*)((intptr_t)value - 1));
}

static void* run(void* given) {
  int* value = malloc(sizeof *value);
  *value = (int)(intptr_t)given;
  if (pthread_getspecific(key) != NULL) puts("another thread's value");
  pthread_setspecific(key, value);
  pthread_setspecific(again, (void*)3);
  if (pthread_getspecific(key) != value) puts("lost");
  return NULL;
}

// As many as the C library has, but for those that libraries have made.
static void make_many(void) {
  enum { some = 1000 };
  static pthread_key_t many[some];
  int count = 0, wrong = 0;
  while (count < some && pthread_key_create(&many[count], NULL) == 0) ++count;
  for (int i = 0; i < count; ++i) pthread_setspecific(many[i], &many[i]);
  for (int i = 0; i < count; ++i) wrong += pthread_getspecific(many[i]) != &many[i];
  for (int i = 0; i < count; ++i) wrong += pthread_key_delete(many[i]) != 0;
  printf("%d keys at a time, %d wrong\n", count, wrong);
}

int main(void) {
  must(pthread_key_create(&key, destroy));
  must(pthread_key_create(&again, set_again));
  in_threads(8, run);
  printf("%d %d\n", (int)destroyed, (int)rounds);
  must(pthread_key_delete(again));
  must(pthread_key_delete(key));
  pthread_key_t next;
  must(pthread_key_create(&next, NULL));
  printf("%d\n", pthread_getspecific(next) == NULL);
  make_many();
}
