#include "client/sync.hpp"

namespace gallocy::client {

namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000, us_per_second = 1'000'000;
constexpr std::int64_t longest_s = std::int64_t{1} << 40;  // what is later is never

const char* reason_of(int status) {
  switch (status) {
    case EBUSY: return "threads have it or wait at it";
    case EDEADLK: return "this thread has it already";
    case EPERM: return "this thread does not have it";
    case EAGAIN: return "this thread has it too many times";
    case EINVAL:
      return "it was never initialised, its memory is used anew, or its state does not allow that";
    case EOWNERDEAD:
      return "its owner has ended with it: mend what it protects and call "
             "gallocy_pthread_mutex_consistent()";
    case ENOTRECOVERABLE: return "its owner had ended with it, and nobody has made it consistent";
    case EOVERFLOW: return "its value is as large as can be";
    default: return "the daemon refused";
  }
}

}  // namespace

Status check_place(Object object, std::size_t size_bytes, std::size_t alignment) {
  if (auto status = require_thread(); !status) return status;
  if (!in_gallocy_memory(object.place, size_bytes))
    return fail(EINVAL, "the ", object.noun, " at ", Hex{object.address()},
                " is not in gallocy memory: allocate it with gallocy_malloc()");
  // Of packed structures, as long as a futex could be there.
  const std::size_t least = process.is_unmodified ? alignof(std::uint32_t) : alignment;
  if (object.address() % least != 0)
    return fail(EINVAL, "the ", object.noun, " at ", Hex{object.address()}, " is not aligned");
  return {};
}

Error not_initialised(Object object) {
  return {EINVAL, Sentence("the object at ", Hex{object.address()}, " is not a ", object.noun,
                           " that was initialised")};
}

int report(Object object, int status, bool only_tries) {
  const bool is_error = status != 0 && status != ETIMEDOUT && status != EINTR;
  if (!is_error || (status == EBUSY && only_tries)) return status;
  return report(Error{status, Sentence(object.noun, " ", Hex{object.address()}, ": ",
                                       reason_of(status), " (error ", status, ")")});
}

int ask(Object object, SyncOperation operation, SyncKind kind, std::uint64_t argument,
        std::uint64_t timeout_us) {
  const ipc::Reply reply = process.ring.call(ipc::Operation::sync, object.key(), self.thread,
                                             operation, kind, argument, timeout_us);
  return report(object, reply.status, operation == SyncOperation::try_take);
}

std::uint64_t timeout_us_of(std::int64_t seconds, std::int64_t nanoseconds) {
  if (seconds < 0) return 0;
  if (seconds > longest_s) return no_timeout;
  const std::int64_t all_us = seconds * us_per_second + nanoseconds / 1000;
  return all_us < 0 ? 0 : static_cast<std::uint64_t>(all_us) + 1;
}

Result<std::uint64_t> time_left_us(clockid_t clock, const timespec* until) {
  if (!is_clock_of_waits(clock))
    return fail(EINVAL, "a wait ends by CLOCK_REALTIME or CLOCK_MONOTONIC");
  if (until == nullptr || until->tv_nsec < 0 || until->tv_nsec >= ns_per_second)
    return fail(EINVAL, "there is no such time: tv_nsec is 0 to 999999999");
  timespec now{};
  ::clock_gettime(clock, &now);
  return timeout_us_of(until->tv_sec - now.tv_sec, until->tv_nsec - now.tv_nsec);
}

Status check_shared(int shared, const char* nouns) {
  if (shared == PTHREAD_PROCESS_PRIVATE || process.is_unmodified) return {};
  return fail(ENOTSUP, "gallocy ", nouns,
              " are shared by all ranks and by nobody else: leave out PTHREAD_PROCESS_SHARED");
}

}  // namespace gallocy::client
