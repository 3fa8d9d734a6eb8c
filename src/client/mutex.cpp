// gallocy_pthread_mutex_*: a mutex is its address; the lock table is at the address's home. The
// object's bytes are read and written here, in user mode, and never by the daemon.
#include "client/process.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

// As core/message.hpp numbers them.
enum class LockOperation : std::uint64_t { lock, try_lock, unlock, destroy };
enum class LockKind : std::uint64_t { normal, recursive, error_check };

Status check_place(const pthread_mutex_t* mutex) {
  if (auto status = require_thread(); !status) return status;
  if (!in_region(mutex, sizeof *mutex))
    return fail(EINVAL, "the mutex at ", Hex{heap::address_of(mutex)},
                " is not in gallocy memory: allocate it with gallocy_malloc()");
  if (heap::address_of(mutex) % alignof(pthread_mutex_t) != 0)
    return fail(EINVAL, "the mutex at ", Hex{heap::address_of(mutex)}, " is not aligned");
  return {};
}

// glibc keeps type and attributes of a mutex in one word. Anything but a plain type (a robust or
// priority mutex initialised by others, or a destroyed one, -1) is not ours to serve.
Result<LockKind> kind_of(const pthread_mutex_t* mutex) {
  constexpr int elision_flags = 0x300;  // set by glibc on its own, without meaning here
  const int word = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
  switch (word < 0 ? word : word & ~elision_flags) {
    case PTHREAD_MUTEX_NORMAL:
    case PTHREAD_MUTEX_ADAPTIVE_NP: return LockKind::normal;
    case PTHREAD_MUTEX_RECURSIVE: return LockKind::recursive;
    case PTHREAD_MUTEX_ERRORCHECK: return LockKind::error_check;
    default:
      return fail(EINVAL, "the object at ", Hex{heap::address_of(mutex)},
                  " is not a mutex that gallocy_pthread_mutex_init() has made");
  }
}

const char* reason_of(int code, LockOperation operation) {
  switch (code) {
    case EBUSY: return operation == LockOperation::destroy ? "a thread has it locked" : "busy";
    case EDEADLK: return "this thread has it locked already";
    case EPERM: return "this thread does not have it locked";
    case EAGAIN: return "it has been locked too many times";
    case EINVAL: return "it is no mutex, or lies in memory that was not allocated";
    default: return "the daemon refused";
  }
}

int operate(pthread_mutex_t* mutex, LockOperation operation) {
  const ErrnoKeeper keeper;
  if (auto status = check_place(mutex); !status) return report(status);
  const auto kind = kind_of(mutex);
  if (!kind) return report(kind.error());
  const ipc::Reply reply = process.ring.call(ipc::Operation::lock, heap::address_of(mutex),
                                             self.thread, operation, *kind);
  if (reply.status == 0 || (reply.status == EBUSY && operation == LockOperation::try_lock))
    return reply.status;
  return report(Error{reply.status, Sentence("mutex ", Hex{heap::address_of(mutex)}, ": ",
                                             reason_of(reply.status, operation), " (error ",
                                             reply.status, ")")});
}

Status check_attributes(const pthread_mutexattr_t* attr) {
  int robust = 0, protocol = 0, shared = 0;
  ::pthread_mutexattr_getrobust(attr, &robust);
  ::pthread_mutexattr_getprotocol(attr, &protocol);
  ::pthread_mutexattr_getpshared(attr, &shared);
  if (robust != PTHREAD_MUTEX_STALLED) return fail(ENOTSUP, "gallocy has no robust mutexes");
  if (protocol != PTHREAD_PRIO_NONE)
    return fail(ENOTSUP, "gallocy has no mutexes with priority inheritance or protection");
  if (shared != PTHREAD_PROCESS_PRIVATE)
    return fail(ENOTSUP, "gallocy mutexes are shared by all ranks and by nobody else: leave out "
                         "PTHREAD_PROCESS_SHARED");
  return {};
}

}  // namespace

int gallocy_pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attr) {
  const ErrnoKeeper keeper;
  if (auto status = check_place(mutex); !status) return report(status);
  if (attr != nullptr)
    if (auto status = check_attributes(attr); !status) return report(status);
  // The C library writes the type into the object, where every rank will read it.
  if (const int error = ::pthread_mutex_init(mutex, attr); error != 0)
    return report(Error{error, Sentence("the C library can't make such a mutex")});
  return 0;
}

int gallocy_pthread_mutex_lock(pthread_mutex_t* mutex) {
  return operate(mutex, LockOperation::lock);
}

int gallocy_pthread_mutex_trylock(pthread_mutex_t* mutex) {
  return operate(mutex, LockOperation::try_lock);
}

int gallocy_pthread_mutex_unlock(pthread_mutex_t* mutex) {
  return operate(mutex, LockOperation::unlock);
}

int gallocy_pthread_mutex_destroy(pthread_mutex_t* mutex) {
  const int code = operate(mutex, LockOperation::destroy);
  // Marks the object as no mutex: a later lock is EINVAL in every rank.
  if (code == 0) ::pthread_mutex_destroy(mutex);
  return code;
}
