// pthread_barrier_* and sem_*: of shared ones, the job's service keyed by address.

#include <pthread.h>
#include <semaphore.h>

#include "client/semaphore.hpp"
#include "gallocy/gallocy.h"
#include "preload/early_sync.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_barrier_init)
GALLOCY_REAL(pthread_barrier_destroy)
GALLOCY_REAL(pthread_barrier_wait)
GALLOCY_REAL(sem_init)
GALLOCY_REAL(sem_destroy)
GALLOCY_REAL(sem_wait)
GALLOCY_REAL(sem_trywait)
GALLOCY_REAL(sem_timedwait)
GALLOCY_REAL(sem_clockwait)
GALLOCY_REAL(sem_post)
GALLOCY_REAL(sem_getvalue)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

int counted_early(sem_t* semaphore, int status) {
  return used_early(EarlyKind::semaphore, semaphore, status);
}

}  // namespace

GALLOCY_TAKES int pthread_barrier_init(pthread_barrier_t* barrier,
                                       const pthread_barrierattr_t* attributes,
                                       unsigned count) noexcept {
  return is_served(barrier) ? gallocy_pthread_barrier_init(barrier, attributes, count)
                            : made_early(EarlyKind::barrier, barrier, count,
                                         real::pthread_barrier_init(barrier, attributes, count));
}

GALLOCY_TAKES int pthread_barrier_destroy(pthread_barrier_t* barrier) noexcept {
  return is_served(barrier) ? gallocy_pthread_barrier_destroy(barrier)
                            : gone_early(barrier, real::pthread_barrier_destroy(barrier));
}

GALLOCY_TAKES int pthread_barrier_wait(pthread_barrier_t* barrier) noexcept {
  return is_served(barrier) ? gallocy_pthread_barrier_wait(barrier)
                            : real::pthread_barrier_wait(barrier);
}

GALLOCY_TAKES int sem_init(sem_t* semaphore, int shared, unsigned value) noexcept {
  return is_served(semaphore) ? gallocy_sem_init(semaphore, shared, value)
                              : counted_early(semaphore, real::sem_init(semaphore, shared, value));
}

GALLOCY_TAKES int sem_destroy(sem_t* semaphore) noexcept {
  return is_served(semaphore) ? gallocy_sem_destroy(semaphore)
                              : gone_early(semaphore, real::sem_destroy(semaphore));
}

GALLOCY_TAKES int sem_wait(sem_t* semaphore) {
  return is_served(semaphore) ? client::sem_wait_interruptibly(semaphore)
                              : counted_early(semaphore, real::sem_wait(semaphore));
}

GALLOCY_TAKES int sem_trywait(sem_t* semaphore) noexcept {
  return is_served(semaphore) ? gallocy_sem_trywait(semaphore)
                              : counted_early(semaphore, real::sem_trywait(semaphore));
}

GALLOCY_TAKES int sem_timedwait(sem_t* semaphore, const timespec* until) {
  return is_served(semaphore)
             ? client::sem_clockwait_interruptibly(semaphore, CLOCK_REALTIME, until)
             : counted_early(semaphore, real::sem_timedwait(semaphore, until));
}

GALLOCY_TAKES int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) {
  return is_served(semaphore) ? client::sem_clockwait_interruptibly(semaphore, clock, until)
                              : counted_early(semaphore,
                                              real::sem_clockwait(semaphore, clock, until));
}

GALLOCY_TAKES int sem_post(sem_t* semaphore) noexcept {
  return is_served(semaphore) ? gallocy_sem_post(semaphore)
                              : counted_early(semaphore, real::sem_post(semaphore));
}

GALLOCY_TAKES int sem_getvalue(sem_t* semaphore, int* value) noexcept {
  return is_served(semaphore) ? gallocy_sem_getvalue(semaphore, value)
                              : real::sem_getvalue(semaphore, value);
}
