// Every call on synchronisation objects at places where none can be, and on bytes that were never
// initialised: EINVAL, with a sentence about it, and nothing happens. Never a crash or a wait.
#include <errno.h>
#include <stdint.h>

#include "support.h"

static struct timespec soon;

static void nothing(void) {}

// `as_sem`: the calls that return -1 with errno.
#define CALLS(CALL)                                                                        \
  CALL(mutex, gallocy_pthread_mutex_init(at, NULL), 0)                                     \
  CALL(mutex, gallocy_pthread_mutex_lock(at), 0)                                           \
  CALL(mutex, gallocy_pthread_mutex_timedlock(at, &soon), 0)                               \
  CALL(mutex, gallocy_pthread_mutex_clocklock(at, CLOCK_REALTIME, &soon), 0)               \
  CALL(mutex, gallocy_pthread_mutex_trylock(at), 0)                                        \
  CALL(mutex, gallocy_pthread_mutex_unlock(at), 0)                                         \
  CALL(mutex, gallocy_pthread_mutex_consistent(at), 0)                                     \
  CALL(mutex, gallocy_pthread_mutex_destroy(at), 0)                                        \
  CALL(condition, gallocy_pthread_cond_init(at, NULL), 0)                                  \
  CALL(condition, gallocy_pthread_cond_wait(at, mutex), 0)                                 \
  CALL(condition, gallocy_pthread_cond_timedwait(at, mutex, &soon), 0)                     \
  CALL(condition, gallocy_pthread_cond_clockwait(at, mutex, CLOCK_REALTIME, &soon), 0)     \
  CALL(condition, gallocy_pthread_cond_signal(at), 0)                                      \
  CALL(condition, gallocy_pthread_cond_broadcast(at), 0)                                   \
  CALL(condition, gallocy_pthread_cond_destroy(at), 0)                                     \
  CALL(mutex, gallocy_pthread_cond_wait(condition, at), 0)                                 \
  CALL(mutex, gallocy_pthread_cond_timedwait(condition, at, &soon), 0)                     \
  CALL(mutex, gallocy_pthread_cond_clockwait(condition, at, CLOCK_REALTIME, &soon), 0)     \
  CALL(barrier, gallocy_pthread_barrier_init(at, NULL, 2), 0)                              \
  CALL(barrier, gallocy_pthread_barrier_wait(at), 0)                                       \
  CALL(barrier, gallocy_pthread_barrier_destroy(at), 0)                                    \
  CALL(lock, gallocy_pthread_rwlock_init(at, NULL), 0)                                     \
  CALL(lock, gallocy_pthread_rwlock_rdlock(at), 0)                                         \
  CALL(lock, gallocy_pthread_rwlock_tryrdlock(at), 0)                                      \
  CALL(lock, gallocy_pthread_rwlock_timedrdlock(at, &soon), 0)                             \
  CALL(lock, gallocy_pthread_rwlock_clockrdlock(at, CLOCK_REALTIME, &soon), 0)             \
  CALL(lock, gallocy_pthread_rwlock_wrlock(at), 0)                                         \
  CALL(lock, gallocy_pthread_rwlock_trywrlock(at), 0)                                      \
  CALL(lock, gallocy_pthread_rwlock_timedwrlock(at, &soon), 0)                             \
  CALL(lock, gallocy_pthread_rwlock_clockwrlock(at, CLOCK_REALTIME, &soon), 0)             \
  CALL(lock, gallocy_pthread_rwlock_unlock(at), 0)                                         \
  CALL(lock, gallocy_pthread_rwlock_destroy(at), 0)                                        \
  CALL(control, gallocy_pthread_once(at, nothing), 0)                                      \
  CALL(semaphore, gallocy_sem_init(at, 0, 1), 1)                                           \
  CALL(semaphore, gallocy_sem_wait(at), 1)                                                 \
  CALL(semaphore, gallocy_sem_timedwait(at, &soon), 1)                                     \
  CALL(semaphore, gallocy_sem_clockwait(at, CLOCK_REALTIME, &soon), 1)                     \
  CALL(semaphore, gallocy_sem_trywait(at), 1)                                              \
  CALL(semaphore, gallocy_sem_post(at), 1)                                                 \
  CALL(semaphore, gallocy_sem_getvalue(at, &value), 1)                                     \
  CALL(semaphore, gallocy_sem_destroy(at), 1)

static void require_einval(const char* call, const void* at, int result, int as_sem) {
  const int error = as_sem ? (result == -1 ? errno : 0) : result;
  if (error == EINVAL && strlen(gallocy_last_error()) > 10) return;
  fprintf(stderr, "%s at %p gave %d, error %d (%s)\n", call, at, result, error,
          gallocy_last_error());
  _exit(1);
}

// The init calls may be given any bytes, so they are for bad places only.
static void* call_all(void* place, int with_init, pthread_mutex_t* mutex,
                      pthread_cond_t* condition) {
  void* volatile hidden = place;  // from the compiler, which knows which calls take no NULL
  void* at = hidden;
  int value = 0;
#define ONE(noun, call, as_sem)                                                            \
  if (with_init || strstr(#call, "_init(") == NULL) {                                      \
    errno = 0;                                                                             \
    require_einval(#call, at, call, as_sem);                                               \
  }
  CALLS(ONE)
  return NULL;
}

static void* everywhere(void* visits) {
  static char global[256];
  char local[256] __attribute__((aligned(64))) = {0};
  char* foreign = calloc(1, 256);
  char* block = gallocy_calloc(1, 512);
  pthread_mutex_t* mutex = gallocy_calloc(1, sizeof *mutex);
  pthread_cond_t* condition = gallocy_calloc(1, sizeof *condition);
  REQUIRE(foreign != NULL && block != NULL && mutex != NULL && condition != NULL);
  REQUIRE(gallocy_pthread_mutex_init(mutex, NULL) == 0);
  REQUIRE(gallocy_pthread_cond_init(condition, NULL) == 0);
  soon = after_ms(CLOCK_REALTIME, 200);
  const uintptr_t end = 0x550000000000 + ((uintptr_t)64 << 30);
  void* const places[] = {NULL,
                          (void*)1,
                          local,
                          global,
                          foreign,
                          block + 1,
                          (void*)0x54fffffffff8,           // ends in the region
                          (void*)(end - 8),                // ends behind it
                          (void*)0x550ffff00000,           // was never handed out
                          (void*)0xdead000000000000,
                          (void*)~(uintptr_t)0};
  REQUIRE(gallocy_pthread_mutex_lock(mutex) == 0);
  for (unsigned i = 0; i < sizeof places / sizeof *places; ++i)
    call_all(places[i], 1, mutex, condition);
  memset(block, 0x5a, 512);
  call_all(block + 64, 0, mutex, condition);
  // The waits that failed have left the mutex where it was.
  REQUIRE(gallocy_pthread_mutex_unlock(mutex) == 0);
  gallocy_free(condition);
  gallocy_free(mutex);
  gallocy_free(block);
  free(foreign);
  ++*(int*)visits;
  return NULL;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  int* visits = gallocy_calloc(1, sizeof *visits);
  for (int node = 0; node < gallocy_node_count(); ++node) run_on(node, everywhere, visits);
  REQUIRE(*visits == gallocy_node_count());
  printf("OK\n");
  return 0;
}
