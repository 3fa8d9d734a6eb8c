/*
 * porting: one program twice, side by side. Built as it is, it is a plain pthreads program; built
 * with -DUSE_GALLOCY its threads run on all nodes. Both print the same line.
 *
 * What has to change, from left to right:
 *   malloc, calloc, free               -> gallocy_malloc, ... for what threads share
 *   pthread_create, pthread_mutex_...  -> gallocy_pthread_create, ...
 *   globals that threads share         -> members of a block that is passed to them
 *   locks in globals, on a stack       -> in gallocy memory
 *   main()                             -> calls gallocy_init() first
 * What stays: types, arguments, error codes, attributes, and everything that is not shared.
 */
#include <stdio.h>
#include <stdlib.h>

#ifdef USE_GALLOCY
#include <gallocy/gallocy.h>
#define shared_calloc gallocy_calloc
#define shared_free gallocy_free
#define thread_create gallocy_pthread_create
#define thread_join gallocy_pthread_join
#define mutex_init gallocy_pthread_mutex_init
#define mutex_lock gallocy_pthread_mutex_lock
#define mutex_unlock gallocy_pthread_mutex_unlock
#define mutex_destroy gallocy_pthread_mutex_destroy
#else
#include <pthread.h>
#define shared_calloc calloc
#define shared_free free
#define thread_create pthread_create
#define thread_join pthread_join
#define mutex_init pthread_mutex_init
#define mutex_lock pthread_mutex_lock
#define mutex_unlock pthread_mutex_unlock
#define mutex_destroy pthread_mutex_destroy
#endif

enum { THREADS = 4, ROUNDS = 250 };

/* These were globals before: each node has its own of those. */
struct shared {
  pthread_mutex_t lock;
  long sum;
};

static void* work(void* context) {
  struct shared* shared = context;
  for (long i = 1; i <= ROUNDS; ++i) {
    mutex_lock(&shared->lock);
    shared->sum += i;
    mutex_unlock(&shared->lock);
  }
  return NULL;
}

int main(void) {
#ifdef USE_GALLOCY
  if (gallocy_init() != 0) {
    fprintf(stderr, "%s\n", gallocy_last_error());
    return 1;
  }
#endif
  struct shared* shared = shared_calloc(1, sizeof *shared);
  pthread_t threads[THREADS];
  if (shared == NULL || mutex_init(&shared->lock, NULL) != 0) return 1;
  for (int i = 0; i < THREADS; ++i)
    if (thread_create(&threads[i], NULL, work, shared) != 0) return 1;
  for (int i = 0; i < THREADS; ++i) thread_join(threads[i], NULL);
  printf("sum %ld\n%s\n", shared->sum,
         shared->sum == THREADS * ROUNDS * (ROUNDS + 1L) / 2 ? "OK" : "wrong");
  mutex_destroy(&shared->lock);
  shared_free(shared);
  return 0;
}
