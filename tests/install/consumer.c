/* A user's program: only the installed header and library. Threads of two nodes take turns at a
 * counter; the sum tells whether they shared it. */
#include <gallocy/gallocy.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 50 };

struct shared {
  pthread_mutex_t lock;
  long count;
};

static void* work(void* argument) {
  struct shared* shared = argument;
  for (int i = 0; i < ROUNDS; ++i) {
    if (gallocy_pthread_mutex_lock(&shared->lock) != 0) return argument;
    ++shared->count;
    if (gallocy_pthread_mutex_unlock(&shared->lock) != 0) return argument;
  }
  return NULL;
}

static int fail(void) {
  fprintf(stderr, "consumer: %s\n", gallocy_last_error());
  return 1;
}

int main(void) {
  if (gallocy_init() != 0) return fail();
  struct shared* shared = gallocy_calloc(1, sizeof *shared);
  pthread_t threads[THREADS];
  if (shared == NULL || gallocy_pthread_mutex_init(&shared->lock, NULL) != 0) return fail();
  for (int i = 0; i < THREADS; ++i)
    if (gallocy_pthread_create_on(&threads[i], NULL, work, shared,
                                  i % gallocy_node_count()) != 0)
      return fail();
  for (int i = 0; i < THREADS; ++i) {
    void* result = NULL;
    if (gallocy_pthread_join(threads[i], &result) != 0 || result != NULL) return fail();
  }
  printf("%ld\n", shared->count);
  return shared->count == THREADS * ROUNDS ? 0 : 1;
}
