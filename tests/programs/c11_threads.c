// The threads of C11.
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

static mtx_t lock, recursive;
static cnd_t changed;
static tss_t slot;
static int next, freed;
static thread_local int own = 3;

static void destroy(void* value) {
  mtx_lock(&lock);
  freed += *(int*)value;
  mtx_unlock(&lock);
  free(value);
}

static int run(void* given) {
  const int me = *(int*)given;
  int* kept = malloc(sizeof *kept);
  *kept = me;
  tss_set(slot, kept);
  own += me;
  mtx_lock(&lock);
  while (next != me) cnd_wait(&changed, &lock);
  printf("%d %d\n", me, own);
  ++next;
  cnd_broadcast(&changed);
  mtx_unlock(&lock);
  mtx_lock(&recursive);
  mtx_lock(&recursive);
  mtx_unlock(&recursive);
  mtx_unlock(&recursive);
  if (me == 2) thrd_exit(99);
  return me * 10;
}

int main(void) {
  mtx_init(&lock, mtx_plain);
  mtx_init(&recursive, mtx_plain | mtx_recursive);
  cnd_init(&changed);
  tss_create(&slot, destroy);
  thrd_t threads[5];
  int numbers[5], results[5], result;
  for (int i = 0; i < 5; ++i) {
    numbers[i] = i;
    if (thrd_create(&threads[i], run, &numbers[i]) != thrd_success) puts("no thread");
  }
  for (int i = 0; i < 5; ++i) {
    if (thrd_join(threads[i], &result) != thrd_success) puts("not joined");
    results[i] = result;
  }
  for (int i = 0; i < 5; ++i) printf("%d\n", results[i]);
  mtx_t timed;
  mtx_init(&timed, mtx_timed);
  mtx_lock(&timed);
  struct timespec until;
  timespec_get(&until, TIME_UTC);
  printf("%d %d %d\n", freed, mtx_timedlock(&timed, &until) == thrd_timedout,
         thrd_equal(thrd_current(), threads[0]) != 0);
}
