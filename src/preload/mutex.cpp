// pthread_mutex_*: of shared mutexes, the job's service keyed by address.

#include <pthread.h>

#include "gallocy/gallocy.h"
#include "preload/c11.hpp"
#include "preload/early_sync.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_mutex_init)
GALLOCY_REAL(pthread_mutex_destroy)
GALLOCY_REAL(pthread_mutex_lock)
GALLOCY_REAL(pthread_mutex_trylock)
GALLOCY_REAL(pthread_mutex_timedlock)
GALLOCY_REAL(pthread_mutex_clocklock)
GALLOCY_REAL(pthread_mutex_unlock)
GALLOCY_REAL(pthread_mutex_consistent)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

constinit std::atomic<bool> g_said_no_ceilings = false, g_said_no_inheritance = false;

void say_once(std::atomic<bool>& is_said, const char* what) {
  if (is_said.exchange(true)) return;
  const client::ErrnoKeeper keeper;
  client::say(Sentence("gallocy: mutexes of ", what, ": no priority counts on another node\n"));
}

bool inherits_priority(const pthread_mutexattr_t* attributes) {
  int protocol = PTHREAD_PRIO_NONE;
  if (attributes != nullptr) ::pthread_mutexattr_getprotocol(attributes, &protocol);
  return protocol == PTHREAD_PRIO_INHERIT;
}

}  // namespace

GALLOCY_TAKES int pthread_mutex_init(pthread_mutex_t* mutex,
                                     const pthread_mutexattr_t* attributes) noexcept {
  if (!is_served(mutex)) return gone_early(mutex, real::pthread_mutex_init(mutex, attributes));
  const int error = gallocy_pthread_mutex_init(mutex, attributes);
  if (error == ENOTSUP) say_once(g_said_no_ceilings, "PTHREAD_PRIO_PROTECT are refused");
  if (error == 0 && inherits_priority(attributes))
    say_once(g_said_no_inheritance, "PTHREAD_PRIO_INHERIT inherit nothing");
  return error;
}

GALLOCY_TAKES int pthread_mutex_destroy(pthread_mutex_t* mutex) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_destroy(mutex)
                          : gone_early(mutex, real::pthread_mutex_destroy(mutex));
}

namespace {

int taken(pthread_mutex_t* mutex, int error) {
  return taken_early(EarlyKind::mutex, mutex, error);
}

}  // namespace

GALLOCY_TAKES int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_lock(mutex)
                          : taken(mutex, real::pthread_mutex_lock(mutex));
}

GALLOCY_TAKES int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_trylock(mutex)
                          : taken(mutex, real::pthread_mutex_trylock(mutex));
}

GALLOCY_TAKES int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_timedlock(mutex, until)
                          : taken(mutex, real::pthread_mutex_timedlock(mutex, until));
}

GALLOCY_TAKES int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                          const timespec* until) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_clocklock(mutex, clock, until)
                          : taken(mutex, real::pthread_mutex_clocklock(mutex, clock, until));
}

GALLOCY_TAKES int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_unlock(mutex)
                          : given_early(mutex, real::pthread_mutex_unlock(mutex));
}

GALLOCY_TAKES int pthread_mutex_consistent(pthread_mutex_t* mutex) noexcept {
  return is_served(mutex) ? gallocy_pthread_mutex_consistent(mutex)
                          : real::pthread_mutex_consistent(mutex);
}

GALLOCY_TAKES int mtx_init(mtx_t* mutex, int kind) noexcept {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  if ((kind & mtx_recursive) != 0)
    ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  return as_c11(::pthread_mutex_init(mutex_of(mutex), &attributes));
}

GALLOCY_TAKES void mtx_destroy(mtx_t* mutex) noexcept { ::pthread_mutex_destroy(mutex_of(mutex)); }
GALLOCY_TAKES int mtx_lock(mtx_t* mutex) { return as_c11(::pthread_mutex_lock(mutex_of(mutex))); }
GALLOCY_TAKES int mtx_trylock(mtx_t* mutex) {
  return as_c11(::pthread_mutex_trylock(mutex_of(mutex)));
}
GALLOCY_TAKES int mtx_timedlock(mtx_t* mutex, const timespec* until) {
  return as_c11(::pthread_mutex_timedlock(mutex_of(mutex), until));
}
GALLOCY_TAKES int mtx_unlock(mtx_t* mutex) {
  return as_c11(::pthread_mutex_unlock(mutex_of(mutex)));
}

// What the rooms below call: they keep the kind in the object as the C library does.
extern "C" {
int __wrap_pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attributes) {
  return real::pthread_mutex_init(mutex, attributes);
}
int __wrap_pthread_mutex_destroy(pthread_mutex_t* mutex) {
  return real::pthread_mutex_destroy(mutex);
}
}
