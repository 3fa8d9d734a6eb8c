// pthread_rwlock_*: of shared locks, the job's service keyed by address.

#include <pthread.h>

#include "gallocy/gallocy.h"
#include "preload/early_sync.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_rwlock_init)
GALLOCY_REAL(pthread_rwlock_destroy)
GALLOCY_REAL(pthread_rwlock_rdlock)
GALLOCY_REAL(pthread_rwlock_tryrdlock)
GALLOCY_REAL(pthread_rwlock_timedrdlock)
GALLOCY_REAL(pthread_rwlock_clockrdlock)
GALLOCY_REAL(pthread_rwlock_wrlock)
GALLOCY_REAL(pthread_rwlock_trywrlock)
GALLOCY_REAL(pthread_rwlock_timedwrlock)
GALLOCY_REAL(pthread_rwlock_clockwrlock)
GALLOCY_REAL(pthread_rwlock_unlock)

using namespace gallocy::preload;

namespace {

int read_early(pthread_rwlock_t* lock, int error) {
  return taken_early(EarlyKind::reader, lock, error);
}
int written_early(pthread_rwlock_t* lock, int error) {
  return taken_early(EarlyKind::writer, lock, error);
}

}  // namespace

GALLOCY_TAKES int pthread_rwlock_init(pthread_rwlock_t* lock,
                                      const pthread_rwlockattr_t* attributes) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_init(lock, attributes)
                         : gone_early(lock, real::pthread_rwlock_init(lock, attributes));
}

GALLOCY_TAKES int pthread_rwlock_destroy(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_destroy(lock)
                         : gone_early(lock, real::pthread_rwlock_destroy(lock));
}

GALLOCY_TAKES int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_rdlock(lock)
                         : read_early(lock, real::pthread_rwlock_rdlock(lock));
}

GALLOCY_TAKES int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_tryrdlock(lock)
                         : read_early(lock, real::pthread_rwlock_tryrdlock(lock));
}

GALLOCY_TAKES int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock,
                                             const timespec* until) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_timedrdlock(lock, until)
                         : read_early(lock, real::pthread_rwlock_timedrdlock(lock, until));
}

GALLOCY_TAKES int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_clockrdlock(lock, clock, until)
                         : read_early(lock, real::pthread_rwlock_clockrdlock(lock, clock, until));
}

GALLOCY_TAKES int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_wrlock(lock)
                         : written_early(lock, real::pthread_rwlock_wrlock(lock));
}

GALLOCY_TAKES int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_trywrlock(lock)
                         : written_early(lock, real::pthread_rwlock_trywrlock(lock));
}

GALLOCY_TAKES int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock,
                                             const timespec* until) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_timedwrlock(lock, until)
                         : written_early(lock, real::pthread_rwlock_timedwrlock(lock, until));
}

GALLOCY_TAKES int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_clockwrlock(lock, clock, until)
                         : written_early(lock,
                                         real::pthread_rwlock_clockwrlock(lock, clock, until));
}

GALLOCY_TAKES int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  return is_served(lock) ? gallocy_pthread_rwlock_unlock(lock)
                         : given_early(lock, real::pthread_rwlock_unlock(lock));
}
