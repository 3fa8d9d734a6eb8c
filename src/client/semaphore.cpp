// gallocy_sem_*: like the rest, but for the way in which they say what went wrong.
#include "client/semaphore.hpp"

#include <limits.h>

#include "client/cancellation.hpp"
#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

constexpr std::uint32_t semaphore_word = 0x676c5301;
constexpr unsigned value_max = SEM_VALUE_MAX;

Object object_of(const sem_t* semaphore) { return {"semaphore", semaphore}; }

// 0 and the old errno, or -1 and a new one.
int outcome(int code, int old_errno) {
  errno = code == 0 ? old_errno : code;
  return code == 0 ? 0 : -1;
}

// The argument of requests about it.
Result<std::uint64_t> origin_of(const sem_t* semaphore) {
  if (auto status = check_place("semaphore", semaphore); !status)
    return tl::unexpected<Error>(status.error());
  const std::uint32_t word = first_word(semaphore);
  if (word == semaphore_word) return 0;
  if (word == 0 && process.is_unmodified) return from_zeros;
  return tl::unexpected<Error>(not_initialised(object_of(semaphore)));
}

int operate(sem_t* semaphore, SyncOperation operation) {
  const auto origin = origin_of(semaphore);
  if (!origin) return report(origin.error());
  return ask(object_of(semaphore), operation, SyncKind::semaphore, *origin);
}

int wait(sem_t* semaphore, std::uint64_t timeout_us, bool interruptibly) {
  const auto origin = origin_of(semaphore);
  if (!origin) return report(origin.error());
  const ipc::ClientRing::Waiter waiter{self.thread, timeout_us != no_timeout};
  const ipc::Reply reply =
      wait_cancellably(interruptibly ? &waiter : nullptr, ipc::Operation::sync,
                       object_of(semaphore).key(), self.thread, SyncOperation::take,
                       SyncKind::semaphore, *origin, timeout_us);
  return report(object_of(semaphore), reply.status);
}

int wait(sem_t* semaphore, bool interruptibly) {
  const int old_errno = errno;
  return outcome(wait(semaphore, no_timeout, interruptibly), old_errno);
}

int wait_until(sem_t* semaphore, clockid_t clock, const timespec* until, bool interruptibly) {
  const int old_errno = errno;
  const auto left_us = time_left_us(clock, until);
  return outcome(left_us ? wait(semaphore, *left_us, interruptibly) : report(left_us.error()),
                 old_errno);
}

int initialise(sem_t* semaphore, int shared, unsigned value) {
  if (auto status = check_place("semaphore", semaphore); !status) return report(status);
  if (shared != 0 && !process.is_unmodified)
    return report(Error{ENOTSUP, Sentence("gallocy semaphores are shared by all ranks and by "
                                          "nobody else: pshared is 0")});
  if (value > value_max)
    return report(Error{EINVAL, Sentence("a semaphore's value is at most ", value_max)});
  const int error = ask(object_of(semaphore), SyncOperation::init, SyncKind::semaphore, value);
  if (error == 0) set_first_word(semaphore, semaphore_word);
  return error;
}

int read_value(sem_t* semaphore, int* value) {
  const auto origin = origin_of(semaphore);
  if (!origin) return report(origin.error());
  if (value == nullptr)
    return report(Error{EINVAL, Sentence("a semaphore's value needs a place")});
  const ipc::Reply reply =
      process.ring.call(ipc::Operation::sync, object_of(semaphore).key(), self.thread,
                        SyncOperation::value, SyncKind::semaphore, *origin);
  if (reply.status == 0) *value = static_cast<int>(reply.values[0]);
  return report(object_of(semaphore), reply.status);
}

}  // namespace

int gallocy_sem_init(sem_t* semaphore, int shared, unsigned value) {
  const int old_errno = errno;
  return outcome(initialise(semaphore, shared, value), old_errno);
}

int gallocy_sem_destroy(sem_t* semaphore) {
  const int old_errno = errno;
  const int error = operate(semaphore, SyncOperation::destroy);
  if (error == 0) set_first_word(semaphore, destroyed_word);
  return outcome(error, old_errno);
}

int client::sem_wait_interruptibly(sem_t* semaphore) { return wait(semaphore, true); }

int client::sem_clockwait_interruptibly(sem_t* semaphore, clockid_t clock, const timespec* until) {
  return wait_until(semaphore, clock, until, true);
}

int gallocy_sem_wait(sem_t* semaphore) { return wait(semaphore, false); }

int gallocy_sem_timedwait(sem_t* semaphore, const struct timespec* until) {
  return wait_until(semaphore, CLOCK_REALTIME, until, false);
}

int gallocy_sem_clockwait(sem_t* semaphore, clockid_t clock, const struct timespec* until) {
  return wait_until(semaphore, clock, until, false);
}

int gallocy_sem_trywait(sem_t* semaphore) {
  const int old_errno = errno;
  const int error = operate(semaphore, SyncOperation::try_take);
  return outcome(error == EBUSY ? EAGAIN : error, old_errno);
}

int gallocy_sem_post(sem_t* semaphore) {
  const int old_errno = errno;
  return outcome(operate(semaphore, SyncOperation::give), old_errno);
}

int gallocy_sem_getvalue(sem_t* semaphore, int* value) {
  const int old_errno = errno;
  return outcome(read_value(semaphore, value), old_errno);
}
