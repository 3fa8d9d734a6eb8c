// gallocy_pthread_mutex_*
#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

Object object_of(const pthread_mutex_t* mutex) { return {"mutex", mutex}; }

int operate(pthread_mutex_t* mutex, SyncOperation operation,
            std::uint64_t timeout_us = no_timeout) {
  const ErrnoKeeper keeper;
  const auto kind = mutex_kind_of(mutex);
  if (!kind) return report(kind.error());
  return ask(object_of(mutex), operation, *kind, 0, timeout_us);
}

int lock_until(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  const auto left_us = time_left_us(clock, until);
  return left_us ? operate(mutex, SyncOperation::take, *left_us) : report(left_us.error());
}

Status check_attributes(const pthread_mutexattr_t* attr) {
  int protocol = 0, shared = 0;
  ::pthread_mutexattr_getprotocol(attr, &protocol);
  ::pthread_mutexattr_getpshared(attr, &shared);
  if (protocol != PTHREAD_PRIO_NONE)
    return fail(ENOTSUP, "gallocy has no mutexes with priority inheritance or protection");
  return check_shared(shared, "mutexes");
}

}  // namespace

// glibc keeps type and attributes of a mutex in one word. Anything but a type and robustness (a
// priority mutex initialised by others, or a destroyed one, -1) is not ours to serve.
Result<SyncKind> client::mutex_kind_of(const pthread_mutex_t* mutex) {
  if (auto status = check_place("mutex", mutex); !status)
    return tl::unexpected<Error>(status.error());
  constexpr int elision_flags = 0x300;  // set by glibc on its own, without meaning here
  constexpr int robust_flags = 0x90;    // the second says what a futex call would need
  const int word = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
  const bool robust = word >= 0 && (word & robust_flags) == robust_flags;
  const int type = word < 0 ? word : word & ~elision_flags & ~(robust ? robust_flags : 0);
  switch (type) {
    case PTHREAD_MUTEX_NORMAL:
    case PTHREAD_MUTEX_ADAPTIVE_NP: return robust ? SyncKind::robust_normal : SyncKind::normal;
    case PTHREAD_MUTEX_RECURSIVE:
      return robust ? SyncKind::robust_recursive : SyncKind::recursive;
    case PTHREAD_MUTEX_ERRORCHECK:
      return robust ? SyncKind::robust_error_check : SyncKind::error_check;
    default: return tl::unexpected<Error>(not_initialised(object_of(mutex)));
  }
}

int gallocy_pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attr) {
  const ErrnoKeeper keeper;
  if (auto status = check_place("mutex", mutex); !status) return report(status);
  if (attr != nullptr)
    if (auto status = check_attributes(attr); !status) return report(status);
  if (const int error = ask(object_of(mutex), SyncOperation::init, SyncKind::normal); error != 0)
    return error;
  // The C library writes the type into the object, where every rank will read it.
  if (const int error = ::pthread_mutex_init(mutex, attr); error != 0)
    return report(Error{error, Sentence("the C library can't make such a mutex")});
  return 0;
}

int gallocy_pthread_mutex_lock(pthread_mutex_t* mutex) {
  return operate(mutex, SyncOperation::take);
}

int gallocy_pthread_mutex_timedlock(pthread_mutex_t* mutex, const struct timespec* until) {
  return lock_until(mutex, CLOCK_REALTIME, until);
}

int gallocy_pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                    const struct timespec* until) {
  return lock_until(mutex, clock, until);
}

int gallocy_pthread_mutex_trylock(pthread_mutex_t* mutex) {
  return operate(mutex, SyncOperation::try_take);
}

int gallocy_pthread_mutex_unlock(pthread_mutex_t* mutex) {
  return operate(mutex, SyncOperation::give);
}

int gallocy_pthread_mutex_consistent(pthread_mutex_t* mutex) {
  return operate(mutex, SyncOperation::consistent);
}

int gallocy_pthread_mutex_destroy(pthread_mutex_t* mutex) {
  const int code = operate(mutex, SyncOperation::destroy);
  // Marks the object as no mutex: a later lock is EINVAL in every rank.
  if (code == 0) ::pthread_mutex_destroy(mutex);
  return code;
}
