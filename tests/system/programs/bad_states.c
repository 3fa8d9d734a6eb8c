// Every call where it cannot be: before gallocy_init(), after gallocy_finalize(), in a child made
// by fork(), and those that need a thread of the job in one that is none. Each refuses with EPERM
// and a sentence that says why, and touches no memory that it is given: there is none.
#include <sys/wait.h>

#include "refusals.h"

struct objects {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  pthread_rwlock_t lock;
  pthread_once_t control;
  sem_t semaphore;
  char block[64];
};

static const struct timespec past = {1, 0};
static const char* words;  // of the sentence

static void* nothing(void* unused) { return unused; }
static void nothing_once(void) { REQUIRE(!"called"); }

#define REFUSES(outcome)                                     \
  do {                                                       \
    errno = untouched;                                       \
    require_error(#outcome, outcome, EPERM);                 \
    REQUIRE(strstr(gallocy_last_error(), words) != NULL);    \
  } while (0)

static void without_a_job(struct objects* at) {
  void* place = &place;
  pthread_t thread = 0;
  REFUSES(as_status(gallocy_finalize()));
  REFUSES(as_null(gallocy_malloc(1)));
  REFUSES(as_null(gallocy_calloc(1, 1)));
  REFUSES(as_null(gallocy_malloc_on(0, 1)));
  REFUSES(as_null(gallocy_realloc(at->block, 1)));
  REFUSES(as_null(gallocy_reallocarray(at->block, 1, 1)));
  REFUSES(as_null(gallocy_memalign(64, 1)));
  REFUSES(as_null(gallocy_aligned_alloc(64, 1)));
  REFUSES(as_status(gallocy_posix_memalign(&place, 64, 1)));
  REQUIRE(place == &place);
  REFUSES(as_minus_one(gallocy_home_of(at)));
  REFUSES(as_status(gallocy_prefetch(at, 1)));
  REFUSES(as_status(gallocy_pthread_create(&thread, NULL, nothing, NULL)));
  REFUSES(as_status(gallocy_pthread_create_on(&thread, NULL, nothing, NULL, 0)));
  REFUSES(as_status(gallocy_pthread_detach(1)));
  REFUSES(as_status(gallocy_pthread_cancel(1)));
  REFUSES(as_status(gallocy_pthread_setspecific(0, "value")));
  // These have no way to say it.
  REQUIRE(gallocy_rank() == -1 && gallocy_size() == -1);
  REQUIRE(gallocy_node() == -1 && gallocy_node_count() == -1);
  REQUIRE(gallocy_malloc_usable_size(at->block) == 0);
  gallocy_free(at->block);
  REQUIRE(gallocy_pthread_getspecific(0) == NULL);
}

static void without_a_thread(struct objects* at) {
  pthread_key_t key = 0;
  int value = 0;
  REFUSES(as_status(gallocy_pthread_join(1, NULL)));
  REFUSES(as_status(gallocy_pthread_key_create(&key, NULL)));
  REFUSES(as_status(gallocy_pthread_key_delete(key)));
  REFUSES(as_status(gallocy_pthread_mutex_init(&at->mutex, NULL)));
  REFUSES(as_status(gallocy_pthread_mutex_lock(&at->mutex)));
  REFUSES(as_status(gallocy_pthread_mutex_timedlock(&at->mutex, &past)));
  REFUSES(as_status(gallocy_pthread_mutex_clocklock(&at->mutex, CLOCK_REALTIME, &past)));
  REFUSES(as_status(gallocy_pthread_mutex_trylock(&at->mutex)));
  REFUSES(as_status(gallocy_pthread_mutex_unlock(&at->mutex)));
  REFUSES(as_status(gallocy_pthread_mutex_consistent(&at->mutex)));
  REFUSES(as_status(gallocy_pthread_mutex_destroy(&at->mutex)));
  REFUSES(as_status(gallocy_pthread_cond_init(&at->condition, NULL)));
  REFUSES(as_status(gallocy_pthread_cond_wait(&at->condition, &at->mutex)));
  REFUSES(as_status(gallocy_pthread_cond_timedwait(&at->condition, &at->mutex, &past)));
  REFUSES(as_status(
      gallocy_pthread_cond_clockwait(&at->condition, &at->mutex, CLOCK_REALTIME, &past)));
  REFUSES(as_status(gallocy_pthread_cond_signal(&at->condition)));
  REFUSES(as_status(gallocy_pthread_cond_broadcast(&at->condition)));
  REFUSES(as_status(gallocy_pthread_cond_destroy(&at->condition)));
  REFUSES(as_status(gallocy_pthread_barrier_init(&at->barrier, NULL, 1)));
  REFUSES(as_status(gallocy_pthread_barrier_wait(&at->barrier)));
  REFUSES(as_status(gallocy_pthread_barrier_destroy(&at->barrier)));
  REFUSES(as_status(gallocy_pthread_rwlock_init(&at->lock, NULL)));
  REFUSES(as_status(gallocy_pthread_rwlock_rdlock(&at->lock)));
  REFUSES(as_status(gallocy_pthread_rwlock_tryrdlock(&at->lock)));
  REFUSES(as_status(gallocy_pthread_rwlock_timedrdlock(&at->lock, &past)));
  REFUSES(as_status(gallocy_pthread_rwlock_clockrdlock(&at->lock, CLOCK_REALTIME, &past)));
  REFUSES(as_status(gallocy_pthread_rwlock_wrlock(&at->lock)));
  REFUSES(as_status(gallocy_pthread_rwlock_trywrlock(&at->lock)));
  REFUSES(as_status(gallocy_pthread_rwlock_timedwrlock(&at->lock, &past)));
  REFUSES(as_status(gallocy_pthread_rwlock_clockwrlock(&at->lock, CLOCK_REALTIME, &past)));
  REFUSES(as_status(gallocy_pthread_rwlock_unlock(&at->lock)));
  REFUSES(as_status(gallocy_pthread_rwlock_destroy(&at->lock)));
  REFUSES(as_status(gallocy_pthread_once(&at->control, nothing_once)));
  REFUSES(as_minus_one(gallocy_sem_init(&at->semaphore, 0, 1)));
  REFUSES(as_minus_one(gallocy_sem_wait(&at->semaphore)));
  REFUSES(as_minus_one(gallocy_sem_timedwait(&at->semaphore, &past)));
  REFUSES(as_minus_one(gallocy_sem_clockwait(&at->semaphore, CLOCK_REALTIME, &past)));
  REFUSES(as_minus_one(gallocy_sem_trywait(&at->semaphore)));
  REFUSES(as_minus_one(gallocy_sem_post(&at->semaphore)));
  REFUSES(as_minus_one(gallocy_sem_getvalue(&at->semaphore, &value)));
  REFUSES(as_minus_one(gallocy_sem_destroy(&at->semaphore)));
  REFUSES(as_status(gallocy_publish("name", at)));
  REFUSES(as_status(gallocy_publish("name", NULL)));
  REFUSES(as_null(gallocy_lookup("name")));
}

static void be_outside(const char* why, struct objects* at) {
  words = why;
  without_a_job(at);
  without_a_thread(at);
}

static void in_a_child(struct objects* at) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    be_outside("made by fork()", at);
    REFUSES(as_status(gallocy_init()));
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void* be_a_stranger(void* at) {
  words = "unknown to the job";
  without_a_thread(at);
  // What needs no thread works here, too.
  char* block = gallocy_malloc(1);
  REQUIRE(block != NULL && gallocy_home_of(block) == gallocy_node());
  *block = 1;
  gallocy_free(block);
  REQUIRE(gallocy_pthread_self() == 0);
  return NULL;
}

// With a value of a key, which lies in gallocy memory.
static void* in_a_job(void* argument) {
  struct objects* at = argument;
  pthread_t stranger;
  pthread_key_t key;
  at->block[0] = 1;
  REQUIRE(gallocy_pthread_key_create(&key, NULL) == 0);
  REQUIRE(gallocy_pthread_setspecific(key, at) == 0);
  in_a_child(at);
  REQUIRE(pthread_create(&stranger, NULL, be_a_stranger, at) == 0);
  REQUIRE(pthread_join(stranger, NULL) == 0);
  REQUIRE(gallocy_pthread_getspecific(key) == at && at->block[0] == 1);
  return NULL;
}

int main(void) {
  be_outside("before gallocy_init()", (struct objects*)0x550000200000);
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_init() == EALREADY);
  struct objects* at = gallocy_calloc(1, sizeof *at);
  for (int node = 0; node < gallocy_node_count(); ++node) run_on(node, in_a_job, at);
  in_a_job(at);
  REQUIRE(gallocy_finalize() == 0);
  be_outside("after gallocy_finalize()", at);
  REQUIRE(gallocy_init() == EALREADY);
  printf("OK\n");
  return 0;
}
