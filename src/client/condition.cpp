// gallocy_pthread_cond_*: the object's first word says by which clock its timed waits end.
#include "client/cancellation.hpp"
#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

constexpr std::uint32_t realtime_word = 0;  // as PTHREAD_COND_INITIALIZER has it
constexpr std::uint32_t monotonic_word = 0x676c4301;

Object object_of(const pthread_cond_t* condition) { return {"condition", condition}; }

Result<clockid_t> clock_of(const pthread_cond_t* condition) {
  if (auto status = check_place("condition", condition); !status)
    return tl::unexpected<Error>(status.error());
  switch (first_word(condition)) {
    case realtime_word: return clockid_t{CLOCK_REALTIME};
    case monotonic_word: return clockid_t{CLOCK_MONOTONIC};
    default: return tl::unexpected<Error>(not_initialised(object_of(condition)));
  }
}

int operate(pthread_cond_t* condition, SyncOperation operation) {
  const ErrnoKeeper keeper;
  if (const auto clock = clock_of(condition); !clock) return report(clock.error());
  return ask(object_of(condition), operation, SyncKind::condition);
}

int wait(pthread_cond_t* condition, pthread_mutex_t* mutex, std::uint64_t timeout_us) {
  const auto kind = mutex_kind_of(mutex);
  if (!kind) return report(kind.error());
  const ipc::Reply reply =
      wait_cancellably(ipc::Operation::condition_wait, object_of(condition).key(), self.thread,
                       Object{"mutex", mutex}.key(), *kind, timeout_us);
  const bool about_mutex = reply.status == EPERM || reply.status == EOWNERDEAD ||
                           reply.status == ENOTRECOVERABLE;
  return report(about_mutex ? Object{"mutex", mutex} : object_of(condition), reply.status);
}

int wait_until(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
               const timespec* until) {
  const auto left_us = time_left_us(clock, until);
  return left_us ? wait(condition, mutex, *left_us) : report(left_us.error());
}

}  // namespace

int gallocy_pthread_cond_init(pthread_cond_t* condition, const pthread_condattr_t* attr) {
  const ErrnoKeeper keeper;
  int shared = PTHREAD_PROCESS_PRIVATE;
  clockid_t clock = CLOCK_REALTIME;
  if (auto status = check_place("condition", condition); !status) return report(status);
  if (attr != nullptr) {
    ::pthread_condattr_getpshared(attr, &shared);
    ::pthread_condattr_getclock(attr, &clock);
  }
  if (auto status = check_shared(shared, "conditions"); !status) return report(status);
  const int error = ask(object_of(condition), SyncOperation::init, SyncKind::condition);
  if (error == 0)
    set_first_word(condition, clock == CLOCK_MONOTONIC ? monotonic_word : realtime_word);
  return error;
}

int gallocy_pthread_cond_destroy(pthread_cond_t* condition) {
  const int error = operate(condition, SyncOperation::destroy);
  if (error == 0) set_first_word(condition, destroyed_word);
  return error;
}

int gallocy_pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  const ErrnoKeeper keeper;
  const auto clock = clock_of(condition);
  return clock ? wait(condition, mutex, no_timeout) : report(clock.error());
}

int gallocy_pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                   const struct timespec* until) {
  const ErrnoKeeper keeper;
  const auto clock = clock_of(condition);
  return clock ? wait_until(condition, mutex, *clock, until) : report(clock.error());
}

int gallocy_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                   clockid_t clock, const struct timespec* until) {
  const ErrnoKeeper keeper;
  if (const auto own = clock_of(condition); !own) return report(own.error());
  return wait_until(condition, mutex, clock, until);
}

int gallocy_pthread_cond_signal(pthread_cond_t* condition) {
  return operate(condition, SyncOperation::give);
}

int gallocy_pthread_cond_broadcast(pthread_cond_t* condition) {
  return operate(condition, SyncOperation::give_all);
}
