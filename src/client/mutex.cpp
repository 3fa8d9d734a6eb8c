// gallocy_pthread_mutex_*
#include <sched.h>

#include <utility>

#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

Object object_of(const pthread_mutex_t* mutex) { return {"mutex", mutex}; }

// glibc keeps type and attributes of a mutex in one word. nullopt: anything but a type and
// robustness (a priority mutex initialised by others, or a destroyed one, -1) is not ours to serve.
// In an unmodified program all others are ours: the whole job shares each mutex anyway, and no
// priority counts on another node. Those that inherit it know their owner.
std::optional<SyncKind> kind_in(const pthread_mutex_t* mutex) {
  constexpr int elision_flags = 0x300;  // set by glibc on its own, without meaning here
  constexpr int inherit_flag = 0x20, shared_flag = 0x80;
  constexpr int robust_flags = 0x10 | shared_flag;  // that says what a futex call would need
  const int word = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
  if (word < 0) return std::nullopt;
  const bool robust = (word & robust_flags) == robust_flags;
  const int known = elision_flags | (robust ? robust_flags : 0) |
                    (process.is_unmodified ? inherit_flag | shared_flag : 0);
  switch (word & ~known) {
    case PTHREAD_MUTEX_NORMAL:
    case PTHREAD_MUTEX_ADAPTIVE_NP:
      if (robust) return SyncKind::robust_normal;
      return process.is_unmodified && (word & inherit_flag) == 0 ? SyncKind::unchecked
                                                                 : SyncKind::normal;
    case PTHREAD_MUTEX_RECURSIVE:
      return robust ? SyncKind::robust_recursive : SyncKind::recursive;
    case PTHREAD_MUTEX_ERRORCHECK:
      return robust ? SyncKind::robust_error_check : SyncKind::error_check;
    default: return std::nullopt;
  }
}

constexpr int elsewhere = ipc::LockTable::elsewhere;

[[gnu::noinline]] void note_pages() {
  std::uint64_t pages = 0;
  for (const KnownMutex& known : self.known_mutexes)
    if (known.mutex != nullptr) pages |= page_bits(known.mutex, 1);
  for (const void* taken : self.taken_mutexes)
    if (taken != nullptr) pages |= page_bits(taken, 1);
  self.mutex_pages = pages;
}

// A mutex that is lent to this process is had and given back without the daemon. `elsewhere`: it is
// not, or something is out of the ordinary; then nothing has been done.
[[gnu::always_inline]] inline int operate_here(const pthread_mutex_t* mutex,
                                               SyncOperation operation) {
  const bool is_ordinary = mutex != nullptr && self.thread != 0 &&
                           process.phase.load(std::memory_order_relaxed) == Phase::member &&
                           !is_fork_child();
  if (!is_ordinary) return elsewhere;
  KnownMutex& known =
      self.known_mutexes[heap::address_of(mutex) / sizeof *mutex % known_mutex_count];
  if (known.mutex != mutex) [[unlikely]] {
    const auto found = process.ring.locks().find(object_of(mutex).key(), ThreadId{self.thread});
    if (!found) return elsewhere;
    known = {mutex, *found};
    note_pages();
  }
  const int status =
      ipc::LockTable::operate(known.place, operation, [mutex] { return kind_in(mutex); });
  if (status == elsewhere) known.mutex = nullptr;  // it may be at another place next time
  return status;
}

void note_taken(const pthread_mutex_t* mutex) {
  self.taken_mutexes[self.taken_count++ % taken_mutex_count] = mutex;
  note_pages();
}

void note_given(const pthread_mutex_t* mutex) {
  for (const void*& taken : self.taken_mutexes)
    if (taken == mutex) taken = nullptr;
}

[[gnu::noinline]] int operate(pthread_mutex_t* mutex, SyncOperation operation,
                              std::uint64_t timeout_us = no_timeout) {
  const int status = operate_here(mutex, operation);
  if (status == 0) return 0;
  const ErrnoKeeper keeper;
  const auto kind = mutex_kind_of(mutex);
  if (!kind) return report(kind.error());
  const Object object = object_of(mutex);
  if (status != elsewhere)
    return report(object, status, operation == SyncOperation::try_take);
  const int answer = ask(object, operation, *kind, 0, timeout_us);
  const bool takes = operation == SyncOperation::take || operation == SyncOperation::try_take;
  if (answer != 0 && answer != EOWNERDEAD) return answer;
  if (takes) note_taken(mutex);
  else note_given(mutex);
  return answer;
}

// The shortest way that there is: a lock and an unlock of a mutex that is here are the price of a
// program's critical sections.
[[gnu::always_inline]] inline int operate_shortly(pthread_mutex_t* mutex,
                                                  SyncOperation operation) {
  if (operate_here(mutex, operation) == 0) [[likely]] return 0;
  return operate(mutex, operation);
}

// Natively a time that is none is none only for who has to wait.
int lock_until(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  const auto left_us = time_left_us(clock, until);
  if (left_us) return operate(mutex, SyncOperation::take, *left_us);
  if (!process.is_unmodified || !is_clock_of_waits(clock)) return report(left_us.error());
  const int status = operate(mutex, SyncOperation::take, 0);
  return status == ETIMEDOUT ? report(left_us.error()) : status;
}

// Whoever has the mutex may be waiting for the daemon, as inside a wait at a condition, and where
// threads that try again and again have all CPUs, that would get none before their time slices end.
void let_owner_run() {
  constexpr unsigned patience_tries = 16;
  if (++self.busy_tries % patience_tries == 0) ::sched_yield();
}

Status check_attributes(const pthread_mutexattr_t* attr) {
  int protocol = 0, shared = 0;
  ::pthread_mutexattr_getprotocol(attr, &protocol);
  ::pthread_mutexattr_getpshared(attr, &shared);
  const bool is_plain = protocol == PTHREAD_PRIO_INHERIT && process.is_unmodified;
  if (protocol != PTHREAD_PRIO_NONE && !is_plain)
    return fail(ENOTSUP, "gallocy has no mutexes with priority inheritance or protection");
  return check_shared(shared, "mutexes");
}

bool is_within(const void* place, const void* block, std::size_t size_bytes) {
  return heap::address_of(place) - heap::address_of(block) < size_bytes;
}

void forget(const void* mutex) {
  ask(Object{"mutex", mutex}, SyncOperation::init, SyncKind::normal);
}

}  // namespace

void client::forget_mutexes(const void* block, std::size_t size_bytes) {
  if (!process.is_unmodified || self.thread == 0) return;
  for (const void*& taken : self.taken_mutexes)
    if (is_within(taken, block, size_bytes)) forget(std::exchange(taken, nullptr));
  for (const KnownMutex& known : self.known_mutexes)
    if (is_within(known.mutex, block, size_bytes) && ipc::LockTable::has(known.place))
      forget(known.mutex);
}

Result<SyncKind> client::mutex_kind_of(const pthread_mutex_t* mutex) {
  if (auto status = check_place("mutex", mutex); !status)
    return tl::unexpected<Error>(status.error());
  if (const auto kind = kind_in(mutex)) return *kind;
  return tl::unexpected<Error>(not_initialised(object_of(mutex)));
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
  return operate_shortly(mutex, SyncOperation::take);
}

int gallocy_pthread_mutex_timedlock(pthread_mutex_t* mutex, const struct timespec* until) {
  return lock_until(mutex, CLOCK_REALTIME, until);
}

int gallocy_pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                    const struct timespec* until) {
  return lock_until(mutex, clock, until);
}

int gallocy_pthread_mutex_trylock(pthread_mutex_t* mutex) {
  const int status = operate(mutex, SyncOperation::try_take);
  if (status == EBUSY) let_owner_run();
  else self.busy_tries = 0;
  return status;
}

int gallocy_pthread_mutex_unlock(pthread_mutex_t* mutex) {
  return operate_shortly(mutex, SyncOperation::give);
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
