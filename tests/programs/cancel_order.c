// When pthread_cancel has returned, the thread's wait takes nothing any more: what is posted and
// signalled then comes to others, and who was to be joined can be joined.
#include <semaphore.h>
#include <unistd.h>

#include "in_threads.h"

enum { round_count = 100 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t signalled = PTHREAD_COND_INITIALIZER;
static sem_t posted, ready, end;
static int waiting;
static pthread_t other;

static void unlock(void* mutex) { pthread_mutex_unlock(mutex); }

static void* at_semaphore(void* unused) {
  sem_post(&ready);
  while (sem_wait(&posted) != 0) {
  }
  return unused;
}

static void* at_condition(void* unused) {
  pthread_mutex_lock(&lock);
  pthread_cleanup_push(unlock, &lock);
  ++waiting;
  pthread_cond_wait(&signalled, &lock);
  pthread_cleanup_pop(1);
  return unused;
}

static void* at_mutex(void* unused) {
  sem_post(&ready);
  pthread_mutex_lock(&lock);
  pthread_cleanup_push(unlock, &lock);
  pthread_testcancel();
  pthread_cleanup_pop(1);
  return unused;
}

static void* until_end(void* unused) {
  sem_wait(&end);
  return unused;
}

static void* in_join(void* unused) {
  sem_post(&ready);
  pthread_join(other, NULL);
  return unused;
}

static pthread_t started(void* (*function)(void*)) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, function, NULL));
  return thread;
}

static int is_cancelled(pthread_t thread) {
  void* result;
  must(pthread_join(thread, &result));
  return result == PTHREAD_CANCELED;
}

// Who waits behind the cancelled gets the first post or the second, as the kernel wakes.
static int post(void) {
  const pthread_t first = started(at_semaphore);
  sem_wait(&ready);
  usleep(1000);
  const pthread_t second = started(at_semaphore);
  sem_wait(&ready);
  usleep(1000);
  must(pthread_cancel(first));
  sem_post(&posted);
  int right = is_cancelled(first);
  sem_post(&posted);
  right += !is_cancelled(second);
  return right + (sem_trywait(&posted) == 0);
}

static void await_waiting(int count) {
  for (;;) {
    pthread_mutex_lock(&lock);
    if (waiting == count) return;
    pthread_mutex_unlock(&lock);
    usleep(100);
  }
}

static int signal_with(int has_mutex) {
  const pthread_t first = started(at_condition);
  await_waiting(1);
  pthread_mutex_unlock(&lock);
  const pthread_t second = started(at_condition);
  await_waiting(2);
  waiting = 0;
  if (!has_mutex) pthread_mutex_unlock(&lock);
  must(pthread_cancel(first));
  pthread_cond_signal(&signalled);
  if (has_mutex) pthread_mutex_unlock(&lock);
  const int right = is_cancelled(first);
  return right + !is_cancelled(second);
}

static int signal_outside(void) { return signal_with(0); }
static int signal_inside(void) { return signal_with(1); }

// No cancellation point: it gets the mutex.
static int unlock_it(void) {
  pthread_mutex_lock(&lock);
  const pthread_t thread = started(at_mutex);
  sem_wait(&ready);
  must(pthread_cancel(thread));
  pthread_mutex_unlock(&lock);
  return is_cancelled(thread);
}

static int end_other(void) {
  other = started(until_end);
  const pthread_t thread = started(in_join);
  sem_wait(&ready);
  must(pthread_cancel(thread));
  const int right = is_cancelled(thread);
  sem_post(&end);
  return right + (pthread_join(other, NULL) == 0);
}

static void* cancel_each_other(void* given) {
  pthread_t* threads = given;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  sem_wait(&ready);
  must(pthread_cancel(threads[pthread_equal(pthread_self(), threads[0])]));
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  for (;;) pause();
  return NULL;
}

static int each_other(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i)
    must(pthread_create(&threads[i], NULL, cancel_each_other, threads));
  sem_post(&ready);
  sem_post(&ready);
  const int right = is_cancelled(threads[0]);
  return right + is_cancelled(threads[1]);
}

static void* cancel_itself(void* unused) {
  must(pthread_cancel(pthread_self()));
  pthread_testcancel();
  return unused;
}

static int itself(void) { return is_cancelled(started(cancel_itself)); }

int main(void) {
  sem_init(&posted, 0, 0);
  sem_init(&ready, 0, 0);
  sem_init(&end, 0, 0);
  const struct {
    const char* name;
    int (*function)(void);
    int most;
  } cases[] = {{"post", post, 3},           {"signal", signal_outside, 2},
               {"signal with the mutex", signal_inside, 2}, {"unlock", unlock_it, 1},
               {"end", end_other, 2},       {"each other", each_other, 2},
               {"itself", itself, 1}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
    int right = 0;
    for (int round = 0; round < round_count; ++round) right += cases[i].function() == cases[i].most;
    printf("%s: %d of %d\n", cases[i].name, right, round_count);
    fflush(stdout);
  }
}
