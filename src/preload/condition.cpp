// pthread_cond_*: of shared conditions, the job's service keyed by address.

#include <pthread.h>

#include "gallocy/gallocy.h"
#include "preload/c11.hpp"
#include "preload/early_sync.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_cond_init)
GALLOCY_REAL(pthread_cond_destroy)
GALLOCY_REAL(pthread_cond_signal)
GALLOCY_REAL(pthread_cond_broadcast)
GALLOCY_REAL(pthread_cond_wait)
GALLOCY_REAL(pthread_cond_timedwait)
GALLOCY_REAL(pthread_cond_clockwait)

using namespace gallocy::preload;

namespace {

int waited_early(pthread_cond_t* condition, int error) {
  return used_early(EarlyKind::condition, condition, error);
}

int init_here(pthread_cond_t* condition, const pthread_condattr_t* attributes) {
  clockid_t clock = CLOCK_REALTIME;
  if (attributes != nullptr) ::pthread_condattr_getclock(attributes, &clock);
  return made_early(EarlyKind::condition, condition, static_cast<unsigned>(clock),
                    real::pthread_cond_init(condition, attributes));
}

}  // namespace

GALLOCY_TAKES int pthread_cond_init(pthread_cond_t* condition,
                                    const pthread_condattr_t* attributes) noexcept {
  return is_served(condition) ? gallocy_pthread_cond_init(condition, attributes)
                              : init_here(condition, attributes);
}

GALLOCY_TAKES int pthread_cond_destroy(pthread_cond_t* condition) noexcept {
  return is_served(condition) ? gallocy_pthread_cond_destroy(condition)
                              : gone_early(condition, real::pthread_cond_destroy(condition));
}

GALLOCY_TAKES int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  return is_served(condition) ? gallocy_pthread_cond_signal(condition)
                              : real::pthread_cond_signal(condition);
}

GALLOCY_TAKES int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  return is_served(condition) ? gallocy_pthread_cond_broadcast(condition)
                              : real::pthread_cond_broadcast(condition);
}

GALLOCY_TAKES int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  return is_served(condition) ? gallocy_pthread_cond_wait(condition, mutex)
                              : waited_early(condition, real::pthread_cond_wait(condition, mutex));
}

GALLOCY_TAKES int pthread_cond_timedwait(pthread_cond_t* condition,
                                         pthread_mutex_t* mutex, const timespec* until) {
  if (is_served(condition)) return gallocy_pthread_cond_timedwait(condition, mutex, until);
  return waited_early(condition, real::pthread_cond_timedwait(condition, mutex, until));
}

GALLOCY_TAKES int pthread_cond_clockwait(pthread_cond_t* condition,
                                         pthread_mutex_t* mutex, clockid_t clock,
                                         const timespec* until) {
  if (is_served(condition)) return gallocy_pthread_cond_clockwait(condition, mutex, clock, until);
  return waited_early(condition, real::pthread_cond_clockwait(condition, mutex, clock, until));
}

namespace {

pthread_cond_t* condition_of(cnd_t* condition) {
  return reinterpret_cast<pthread_cond_t*>(condition);
}

}  // namespace

GALLOCY_TAKES int cnd_init(cnd_t* condition) {
  return as_c11(::pthread_cond_init(condition_of(condition), nullptr));
}
GALLOCY_TAKES void cnd_destroy(cnd_t* condition) {
  ::pthread_cond_destroy(condition_of(condition));
}
GALLOCY_TAKES int cnd_signal(cnd_t* condition) {
  return as_c11(::pthread_cond_signal(condition_of(condition)));
}
GALLOCY_TAKES int cnd_broadcast(cnd_t* condition) {
  return as_c11(::pthread_cond_broadcast(condition_of(condition)));
}
GALLOCY_TAKES int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return as_c11(::pthread_cond_wait(condition_of(condition), mutex_of(mutex)));
}
GALLOCY_TAKES int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return as_c11(::pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), until));
}
