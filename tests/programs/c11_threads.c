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
  printf("%d %d %d\n", me, own, *(int*)tss_get(slot));
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

static mtx_t gate;
static cnd_t opened;
static int tickets, has_ended;

static int take_ticket(void* unused) {
  (void)unused;
  mtx_lock(&gate);
  while (tickets == 0) cnd_wait(&opened, &gate);
  --tickets;
  mtx_unlock(&gate);
  return thrd_success;
}

static void give_tickets(void) {
  thrd_t threads[4];
  for (int i = 0; i < 4; ++i) thrd_create(&threads[i], take_ticket, NULL);
  for (int i = 0; i < 4; ++i) {
    mtx_lock(&gate);
    ++tickets;
    cnd_signal(&opened);
    mtx_unlock(&gate);
  }
  for (int i = 0; i < 4; ++i) thrd_join(threads[i], NULL);
  printf("%d tickets left\n", tickets);
}

static int try_gate(void* unused) {
  (void)unused;
  const int result = mtx_trylock(&gate);
  if (result == thrd_success) mtx_unlock(&gate);
  return result;
}

static int result_of(int (*function)(void*)) {
  thrd_t thread;
  int result = -1;
  thrd_create(&thread, function, NULL);
  thrd_join(thread, &result);
  return result;
}

static struct timespec in_ms(long delay_ms) {
  struct timespec until;
  timespec_get(&until, TIME_UTC);
  until.tv_sec += delay_ms / 1000;
  until.tv_nsec += delay_ms % 1000 * 1000000;
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  return until;
}

// The mutex is had again when the time is over, and not by anybody else.
static int wait_in_vain(void* unused) {
  (void)unused;
  mtx_lock(&gate);
  const struct timespec until = in_ms(20);
  int result;
  while ((result = cnd_timedwait(&opened, &gate, &until)) == thrd_success) continue;
  const struct timespec now = in_ms(0);
  printf("timed out %d, in time %d", result == thrd_timedout,
         now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
  printf(", busy %d", result_of(try_gate) == thrd_busy);
  mtx_unlock(&gate);
  printf(", free %d\n", result_of(try_gate) == thrd_success);
  return 0;
}

static int end_detached(void* unused) {
  (void)unused;
  mtx_lock(&gate);
  has_ended = 1;
  cnd_signal(&opened);
  mtx_unlock(&gate);
  return 0;
}

static void await_detached(void) {
  thrd_t thread;
  has_ended = 0;
  thrd_create(&thread, end_detached, NULL);
  printf("detached %d", thrd_detach(thread) == thrd_success);
  const struct timespec until = in_ms(30000);
  mtx_lock(&gate);
  int result = thrd_success;
  while (!has_ended && result == thrd_success) result = cnd_timedwait(&opened, &gate, &until);
  mtx_unlock(&gate);
  printf(", has ended %d\n", result == thrd_success);
}

// What is deleted destroys nothing any more.
static int delete_key(void* unused) {
  (void)unused;
  tss_t key;
  if (tss_create(&key, destroy) != thrd_success) puts("no key");
  printf("before %d", tss_get(key) == NULL);
  tss_set(key, &key);
  printf(", then %d\n", tss_get(key) == &key);
  tss_delete(key);
  return 0;
}

static void do_more(void) {
  mtx_init(&gate, mtx_timed);
  cnd_init(&opened);
  give_tickets();
  for (int i = 0; i < 3; ++i) {
    result_of(wait_in_vain);
    await_detached();
    result_of(delete_key);
  }
  cnd_destroy(&opened);
  mtx_destroy(&gate);
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
  do_more();
  mtx_t timed;
  mtx_init(&timed, mtx_timed);
  mtx_lock(&timed);
  struct timespec until;
  timespec_get(&until, TIME_UTC);
  printf("%d %d %d\n", freed, mtx_timedlock(&timed, &until) == thrd_timedout,
         thrd_equal(thrd_current(), threads[0]) != 0);
  mtx_destroy(&timed);
}
