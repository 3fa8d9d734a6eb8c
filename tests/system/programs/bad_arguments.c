// Every parameter of every call that can be wrong is wrong once: the call refuses with the error
// that gallocy.h names, with a sentence of its own, and nothing has happened. Objects at bad places
// are in bad_objects.c, and blocks that are none, which end the process, in heap_calls.c.
#include <limits.h>
#include <signal.h>

#include "refusals.h"

// What stands in gallocy_last_error() if the call has said nothing.
static const pthread_key_t stale_key = (pthread_key_t)-2;
static const char stale_sentence[] = "there is no key 4294967294";

// `parameter`, as gallocy.h calls it, is for tests/lint/api_coverage.py.
#define BAD(parameter, outcome, error)                              \
  do {                                                              \
    gallocy_pthread_key_delete(stale_key);                          \
    errno = untouched;                                              \
    require_error(#outcome, outcome, error);                        \
    REQUIRE(strstr(gallocy_last_error(), stale_sentence) == NULL);  \
  } while (0)

static const size_t huge = (size_t)1 << 50;
static const clockid_t no_clock = 99;
static const struct timespec past = {1, 0}, no_time = {1, 1000000000};

static void* nothing(void* unused) { return unused; }
static void nothing_once(void) { REQUIRE(!"called"); }
static void something_once(void) {}

static void allocator(void) {
  char* block = gallocy_malloc(100);
  memset(block, 5, 100);
  BAD(size_bytes, as_null(gallocy_malloc(SIZE_MAX)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_malloc(huge)), ENOMEM);
  BAD(count, as_null(gallocy_calloc(SIZE_MAX / 2, 3)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_calloc(1, huge)), ENOMEM);
  for (int i = 0; i < 4; ++i) {
    const int no_node[] = {-1, gallocy_node_count(), 64, INT_MAX};
    BAD(node, as_null(gallocy_malloc_on(no_node[i], 8)), EINVAL);
  }
  BAD(size_bytes, as_null(gallocy_malloc_on(0, huge)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_realloc(block, huge)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_realloc(NULL, SIZE_MAX)), ENOMEM);
  BAD(count, as_null(gallocy_reallocarray(block, SIZE_MAX / 4, 5)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_reallocarray(block, 1, huge)), ENOMEM);
  for (int i = 0; i < 4; ++i) {
    const size_t no_alignment[] = {0, 24, GALLOCY_ALIGNMENT_MAX * 2, SIZE_MAX};
    void* place = &place;
    BAD(alignment_bytes, as_null(gallocy_memalign(no_alignment[i], 8)), EINVAL);
    BAD(alignment_bytes, as_null(gallocy_aligned_alloc(no_alignment[i], 8)), EINVAL);
    BAD(alignment_bytes, as_status(gallocy_posix_memalign(&place, no_alignment[i], 8)), EINVAL);
    BAD(size_bytes, as_status(gallocy_posix_memalign(&place, 64, huge)), ENOMEM);
    REQUIRE(place == &place);
  }
  BAD(size_bytes, as_null(gallocy_memalign(64, SIZE_MAX)), ENOMEM);
  BAD(size_bytes, as_null(gallocy_aligned_alloc(GALLOCY_ALIGNMENT_MAX, huge)), ENOMEM);
  BAD(block, as_status(gallocy_posix_memalign(NULL, 64, 8)), EINVAL);
  for (int i = 0; i < 100; ++i) REQUIRE(block[i] == 5);
  gallocy_free(block);
}

static void places(void) {
  char local = 0;
  char* block = gallocy_malloc(100);
  const uintptr_t end = 0x550000000000 + ((uintptr_t)64 << 30);
  void* const foreign[] = {NULL, &local, (void*)end, (void*)0xdead000000000000,
                           (void*)~(uintptr_t)0};
  for (unsigned i = 0; i < sizeof foreign / sizeof *foreign; ++i) {
    BAD(pointer, as_minus_one(gallocy_home_of(foreign[i])), EINVAL);
    BAD(pointer, as_status(gallocy_prefetch(foreign[i], 1)), EINVAL);
    if (foreign[i] != NULL)  // which takes the name away
      BAD(pointer, as_status(gallocy_publish("bad", foreign[i])), EINVAL);
  }
  BAD(pointer, as_minus_one(gallocy_home_of((void*)(end - 1))), EINVAL);  // never handed out
  BAD(pointer, as_status(gallocy_publish("bad", (void*)(end - 1))), EINVAL);
  BAD(size_bytes, as_status(gallocy_prefetch(block, huge)), EINVAL);
  BAD(size_bytes, as_status(gallocy_prefetch(block, SIZE_MAX)), EINVAL);
  char too_long[257];
  memset(too_long, 'x', 256);
  too_long[256] = 0;
  const char* const no_name[] = {NULL, "", too_long};
  for (int i = 0; i < 3; ++i) {
    BAD(name, as_status(gallocy_publish(no_name[i], block)), EINVAL);
    BAD(name, as_status(gallocy_publish(no_name[i], NULL)), EINVAL);
    BAD(name, as_null(gallocy_lookup(no_name[i])), EINVAL);
  }
  BAD(name, as_status(gallocy_publish("bad", NULL)), ENOENT);
  BAD(name, as_null(gallocy_lookup("bad")), ENOENT);
  gallocy_free(block);
}

static void ask_for_a_policy(pthread_attr_t* attr) {
  pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
}

static void ask_for_a_stack(pthread_attr_t* attr) {
  static _Alignas(4096) char stack[1 << 18];
  pthread_attr_setstack(attr, stack, sizeof stack);
}

static void ask_for_much_stack(pthread_attr_t* attr) {
  pthread_attr_setstacksize(attr, (size_t)1 << 40);
}

static void ask_for_cpus(pthread_attr_t* attr) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  pthread_attr_setaffinity_np(attr, sizeof cpus, &cpus);
}

static void ask_for_a_mask(pthread_attr_t* attr) {
  sigset_t none;
  sigemptyset(&none);
  pthread_attr_setsigmask_np(attr, &none);
}

static void ask_for_more_guard(pthread_attr_t* attr) { pthread_attr_setguardsize(attr, 1 << 20); }
static void ask_for_no_guard(pthread_attr_t* attr) { pthread_attr_setguardsize(attr, 0); }

static void attributes(void) {
  static const struct {
    void (*ask)(pthread_attr_t*);
    const char* refusal;
  } bad[] = {
      {ask_for_a_policy, "scheduling policy"}, {ask_for_a_stack, "can't be given a stack"},
      {ask_for_much_stack, "ulimit -s"},       {ask_for_cpus, "pthread_setaffinity_np"},
      {ask_for_a_mask, "pthread_sigmask"},     {ask_for_more_guard, "guards of the default"},
      {ask_for_no_guard, "guards of the default"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    bad[i].ask(&attr);
    BAD(attr, as_status(gallocy_pthread_create(&thread, &attr, nothing, NULL)), ENOTSUP);
    REQUIRE(strstr(gallocy_last_error(), bad[i].refusal) != NULL);
    BAD(attr, as_status(gallocy_pthread_create_on(&thread, &attr, nothing, NULL, 0)), ENOTSUP);
    pthread_attr_destroy(&attr);
  }
}

static void threads(void) {
  pthread_t thread = (pthread_t)&thread;
  BAD(thread, as_status(gallocy_pthread_create(NULL, NULL, nothing, NULL)), EINVAL);
  BAD(function, as_status(gallocy_pthread_create(&thread, NULL, NULL, NULL)), EINVAL);
  BAD(thread, as_status(gallocy_pthread_create_on(NULL, NULL, nothing, NULL, 0)), EINVAL);
  BAD(function, as_status(gallocy_pthread_create_on(&thread, NULL, NULL, NULL, 0)), EINVAL);
  for (int i = 0; i < 5; ++i) {
    const int no_node[] = {-2, INT_MIN, gallocy_node_count(), 64, INT_MAX};
    BAD(node, as_status(gallocy_pthread_create_on(&thread, NULL, nothing, NULL, no_node[i])),
        EINVAL);
  }
  REQUIRE(thread == (pthread_t)&thread);
  const pthread_t over = start_on(gallocy_node_count() - 1, nothing, NULL);
  join(over);
  const pthread_t no_thread[] = {0, (pthread_t)-1, pthread_self(), over};
  for (int i = 0; i < 4; ++i) {
    void* result = &result;
    BAD(thread, as_status(gallocy_pthread_join(no_thread[i], &result)), ESRCH);
    BAD(thread, as_status(gallocy_pthread_detach(no_thread[i])), ESRCH);
    BAD(thread, as_status(gallocy_pthread_cancel(no_thread[i])), ESRCH);
    REQUIRE(result == &result);
  }
  BAD(thread, as_status(gallocy_pthread_join(gallocy_pthread_self(), NULL)), EDEADLK);
}

static void keys(void) {
  pthread_key_t over;
  REQUIRE(gallocy_pthread_key_create(&over, NULL) == 0);
  REQUIRE(gallocy_pthread_key_delete(over) == 0);
  BAD(key, as_status(gallocy_pthread_key_create(NULL, NULL)), EINVAL);
  const pthread_key_t no_key[] = {over, (pthread_key_t)-1};
  for (int i = 0; i < 2; ++i) {
    BAD(key, as_status(gallocy_pthread_key_delete(no_key[i])), EINVAL);
    BAD(key, as_status(gallocy_pthread_setspecific(no_key[i], "value")), EINVAL);
    errno = untouched;
    REQUIRE(gallocy_pthread_getspecific(no_key[i]) == NULL && errno == untouched);
  }
}

static void mutexes(void) {
  pthread_mutex_t* mutex = gallocy_calloc(1, sizeof *mutex);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  BAD(attr, as_status(gallocy_pthread_mutex_init(mutex, &attr)), ENOTSUP);
  BAD(until, as_status(gallocy_pthread_mutex_timedlock(mutex, NULL)), EINVAL);
  BAD(until, as_status(gallocy_pthread_mutex_timedlock(mutex, &no_time)), EINVAL);
  BAD(until, as_status(gallocy_pthread_mutex_clocklock(mutex, CLOCK_REALTIME, NULL)), EINVAL);
  BAD(until, as_status(gallocy_pthread_mutex_clocklock(mutex, CLOCK_REALTIME, &no_time)), EINVAL);
  BAD(clock, as_status(gallocy_pthread_mutex_clocklock(mutex, no_clock, &past)), EINVAL);
  REQUIRE(gallocy_pthread_mutex_destroy(mutex) == 0);  // nobody has got it
  gallocy_free(mutex);
}

static void conditions(void) {
  pthread_mutex_t* mutex = gallocy_calloc(1, sizeof *mutex);
  pthread_cond_t* condition = gallocy_calloc(1, sizeof *condition);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  BAD(attr, as_status(gallocy_pthread_cond_init(condition, &attr)), ENOTSUP);
  BAD(mutex, as_status(gallocy_pthread_cond_wait(condition, mutex)), EPERM);  // not locked
  BAD(mutex, as_status(gallocy_pthread_cond_timedwait(condition, mutex, &past)), EPERM);
  BAD(mutex, as_status(gallocy_pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &past)),
      EPERM);
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
  BAD(until, as_status(gallocy_pthread_cond_timedwait(condition, mutex, NULL)), EINVAL);
  BAD(until, as_status(gallocy_pthread_cond_timedwait(condition, mutex, &no_time)), EINVAL);
  BAD(until, as_status(gallocy_pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, NULL)),
      EINVAL);
  BAD(until,
      as_status(gallocy_pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &no_time)),
      EINVAL);
  BAD(clock, as_status(gallocy_pthread_cond_clockwait(condition, mutex, no_clock, &past)),
      EINVAL);
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);  // it has it still
  REQUIRE(gallocy_pthread_cond_destroy(condition) == 0);
  gallocy_free(condition);
  gallocy_free(mutex);
}

static void barriers(void) {
  pthread_barrier_t* barrier = gallocy_calloc(1, sizeof *barrier);
  pthread_barrierattr_t attr;
  pthread_barrierattr_init(&attr);
  pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  BAD(attr, as_status(gallocy_pthread_barrier_init(barrier, &attr, 1)), ENOTSUP);
  BAD(count, as_status(gallocy_pthread_barrier_init(barrier, NULL, 0)), EINVAL);
  BAD(barrier, as_status(gallocy_pthread_barrier_wait(barrier)), EINVAL);  // it was never made
  gallocy_free(barrier);
}

static void rwlocks(void) {
  pthread_rwlock_t* lock = gallocy_calloc(1, sizeof *lock);
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  BAD(attr, as_status(gallocy_pthread_rwlock_init(lock, &attr)), ENOTSUP);
  const struct timespec* const no_until[] = {NULL, &no_time};
  const clockid_t clock = CLOCK_MONOTONIC;
  for (int i = 0; i < 2; ++i) {
    const struct timespec* until = no_until[i];
    BAD(until, as_status(gallocy_pthread_rwlock_timedrdlock(lock, until)), EINVAL);
    BAD(until, as_status(gallocy_pthread_rwlock_timedwrlock(lock, until)), EINVAL);
    BAD(until, as_status(gallocy_pthread_rwlock_clockrdlock(lock, clock, until)), EINVAL);
    BAD(until, as_status(gallocy_pthread_rwlock_clockwrlock(lock, clock, until)), EINVAL);
  }
  BAD(clock, as_status(gallocy_pthread_rwlock_clockrdlock(lock, no_clock, &past)), EINVAL);
  BAD(clock, as_status(gallocy_pthread_rwlock_clockwrlock(lock, no_clock, &past)), EINVAL);
  REQUIRE(gallocy_pthread_rwlock_destroy(lock) == 0);  // nobody has got it
  gallocy_free(lock);
}

static void once(void) {
  pthread_once_t* control = gallocy_calloc(1, sizeof *control);
  BAD(function, as_status(gallocy_pthread_once(control, NULL)), EINVAL);
  REQUIRE(gallocy_pthread_once(control, something_once) == 0);
  BAD(function, as_status(gallocy_pthread_once(control, NULL)), EINVAL);  // also when it is over
  *control = 77;
  BAD(control, as_status(gallocy_pthread_once(control, nothing_once)), EINVAL);
  gallocy_free(control);
}

static void semaphores(void) {
  sem_t* semaphore = gallocy_calloc(1, sizeof *semaphore);
  BAD(shared, as_minus_one(gallocy_sem_init(semaphore, 1, 0)), ENOTSUP);
  BAD(value, as_minus_one(gallocy_sem_init(semaphore, 0, (unsigned)SEM_VALUE_MAX + 1)), EINVAL);
  BAD(semaphore, as_minus_one(gallocy_sem_wait(semaphore)), EINVAL);  // none of these made one
  REQUIRE(gallocy_sem_init(semaphore, 0, 1) == 0);
  BAD(until, as_minus_one(gallocy_sem_timedwait(semaphore, NULL)), EINVAL);
  BAD(until, as_minus_one(gallocy_sem_timedwait(semaphore, &no_time)), EINVAL);
  BAD(until, as_minus_one(gallocy_sem_clockwait(semaphore, CLOCK_REALTIME, NULL)), EINVAL);
  BAD(until, as_minus_one(gallocy_sem_clockwait(semaphore, CLOCK_REALTIME, &no_time)), EINVAL);
  BAD(clock, as_minus_one(gallocy_sem_clockwait(semaphore, no_clock, &past)), EINVAL);
  BAD(value, as_minus_one(gallocy_sem_getvalue(semaphore, NULL)), EINVAL);
  int value = 0;
  REQUIRE(gallocy_sem_getvalue(semaphore, &value) == 0 && value == 1);  // nobody has taken it
  REQUIRE(gallocy_sem_destroy(semaphore) == 0);
  gallocy_free(semaphore);
}

static void* everything(void* visits) {
  allocator();
  places();
  attributes();
  threads();
  keys();
  mutexes();
  conditions();
  barriers();
  rwlocks();
  once();
  semaphores();
  ++*(int*)visits;
  return NULL;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  int* visits = gallocy_calloc(1, sizeof *visits);
  for (int node = 0; node < gallocy_node_count(); ++node) run_on(node, everything, visits);
  REQUIRE(*visits == gallocy_node_count());
  printf("OK\n");
  return 0;
}
