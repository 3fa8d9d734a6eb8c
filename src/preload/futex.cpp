#include "preload/futex.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "client/futex.hpp"
#include "client/sync.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constexpr std::uint32_t all = std::numeric_limits<std::int32_t>::max();

// The kernel reads it, and says so where this thread would be ended: it knows no such `how`, and
// does nothing else. Eight bytes, which are of one page.
bool is_readable(const void* place) {
  constexpr int no_how = -1;
  const int saved_errno = errno;
  const std::uint64_t words = heap::address_of(place) & ~std::uint64_t{7};
  const long read = ::syscall(SYS_rt_sigprocmask, no_how, words, nullptr, sizeof(std::uint64_t));
  const bool is_there = read == 0 || errno != EFAULT;
  errno = saved_errno;
  return is_there;
}

// EINVAL, EFAULT; 0: threads may wait at it.
long check(const std::uint32_t* word) {
  if (heap::address_of(word) % sizeof(std::uint32_t) != 0) return -EINVAL;
  return is_shared(word) && is_readable(word) ? 0 : -EFAULT;
}

long check(const std::uint32_t* word, const std::uint32_t* second) {
  const long error = check(word);
  return error != 0 ? error : check(second);
}

// EFAULT, EINVAL; 0: a time.
long check(const timespec* limit) {
  constexpr long ns_per_second = 1'000'000'000;
  if (!is_readable(limit) || !is_readable(&limit->tv_nsec)) return -EFAULT;
  const bool is_time = limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < ns_per_second;
  return is_time ? 0 : -EINVAL;
}

struct Wait {
  const std::uint32_t* word;
  std::uint32_t expected;
  std::uint32_t bits;
  const timespec* limit;  // or null
};

// What is wrong with its arguments, in the kernel's order.
long check(const Wait& wait) {
  if (wait.limit != nullptr)
    if (const long error = check(wait.limit); error != 0) return error;
  return wait.bits == 0 ? -EINVAL : check(wait.word);
}

// FUTEX_WAIT has a limit from now on, whichever clock it names.
long wait_for(const Wait& wait) {
  if (const long error = check(wait); error != 0) return error;
  const std::uint64_t timeout_us =
      wait.limit == nullptr ? no_timeout
                            : client::timeout_us_of(wait.limit->tv_sec, wait.limit->tv_nsec);
  return -client::futex_wait(wait.word, wait.expected, wait.bits, timeout_us);
}

long wait_until(const Wait& wait, clockid_t clock) {
  if (wait.limit == nullptr) return wait_for(wait);
  if (const long error = check(wait); error != 0) return error;
  const auto left_us = client::time_left_us(clock, wait.limit);
  if (!left_us) return -left_us.error().code;
  return -client::futex_wait(wait.word, wait.expected, wait.bits, *left_us);
}

// The kernel wakes one if it is asked for none.
std::uint32_t count_of(std::uint32_t value) {
  return static_cast<std::int32_t>(value) < 1 ? 1 : value;
}

long wake(const std::uint32_t* word, std::uint32_t count, std::uint32_t bits = all_futex_bits) {
  std::uint32_t woken = 0;
  const int error = client::futex_wake(word, count, bits, woken);
  return error == 0 ? long{woken} : -error;
}

// Nobody can wait at memory that is not there. The kernel looks only if others may share the word.
long wake_at(const std::uint32_t* word, std::uint32_t count, std::uint32_t bits, bool is_private) {
  if (bits == 0) return -EINVAL;
  const long error = check(word);
  if (error == -EFAULT && is_private) return 0;
  return error != 0 ? error : wake(word, count_of(count), bits);
}

// Who shall be moved to another word is woken, and will find that it has to wait there.
// `expected`: the value that the word must have, or null.
long requeue(const std::uint32_t* word, std::uint32_t woken, std::uint64_t moved,
             const std::uint32_t* second, const std::uint32_t* expected) {
  if (static_cast<std::int32_t>(woken) < 0 || static_cast<std::int32_t>(moved) < 0) return -EINVAL;
  if (const long error = check(word, second); error != 0) return error;
  if (expected != nullptr && __atomic_load_n(word, __ATOMIC_SEQ_CST) != *expected) return -EAGAIN;
  const std::uint64_t count = std::uint64_t{woken} + static_cast<std::uint32_t>(moved);
  return wake(word, static_cast<std::uint32_t>(std::min<std::uint64_t>(count, all)));
}

std::uint32_t changed(std::uint32_t old, unsigned operation, std::uint32_t argument) {
  switch (operation) {
    case FUTEX_OP_SET: return argument;
    case FUTEX_OP_ADD: return old + argument;
    case FUTEX_OP_OR: return old | argument;
    case FUTEX_OP_ANDN: return old & ~argument;
    default: return old ^ argument;
  }
}

bool holds(std::int32_t old, unsigned comparison, std::int32_t argument) {
  switch (comparison) {
    case FUTEX_OP_CMP_EQ: return old == argument;
    case FUTEX_OP_CMP_NE: return old != argument;
    case FUTEX_OP_CMP_LT: return old < argument;
    case FUTEX_OP_CMP_LE: return old <= argument;
    case FUTEX_OP_CMP_GT: return old > argument;
    default: return old >= argument;
  }
}

// 12 bits with a sign.
std::int32_t argument_at(std::uint32_t encoded, unsigned bit) {
  return static_cast<std::int32_t>(encoded << (20 - bit)) >> 20;
}

// Changes the second word, wakes the first, and the second if its old value was such a one.
long wake_and_change(const std::uint32_t* word, std::uint32_t count, std::uint32_t* second,
                     std::uint32_t second_count, std::uint32_t encoded) {
  if (const long error = check(word, second); error != 0) return error;
  const unsigned operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
  if (operation > FUTEX_OP_XOR || comparison > FUTEX_OP_CMP_GE) return -ENOSYS;
  const bool is_shift = (encoded >> 28 & FUTEX_OP_OPARG_SHIFT) != 0;
  const auto given = static_cast<std::uint32_t>(argument_at(encoded, 12));
  const std::uint32_t argument = is_shift ? std::uint32_t{1} << (given & 31) : given;
  std::uint32_t old = __atomic_load_n(second, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(second, &old, changed(old, operation, argument), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  const long woken = wake(word, count_of(count));
  if (woken < 0 || !holds(static_cast<std::int32_t>(old), comparison, argument_at(encoded, 0)))
    return woken;
  const long more = wake(second, count_of(second_count));
  return more < 0 ? more : woken + more;
}

long refuse_priority(int command) {
  client::say(Sentence("gallocy: futex operation ", command, " is refused: mutexes that pass on "
                       "priority are not supported\n"));
  return -ENOSYS;
}

bool may_name_realtime(int command) {
  return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI2 ||
         command == FUTEX_WAIT_REQUEUE_PI;
}

}  // namespace

long shared_futex(std::uint32_t* word, int operation, std::uint32_t value, std::uint64_t timeout,
                  std::uint32_t* second_word, std::uint32_t third_value) {
  const int command = operation & FUTEX_CMD_MASK;
  const bool is_private = (operation & FUTEX_PRIVATE_FLAG) != 0;
  const bool is_realtime = (operation & FUTEX_CLOCK_REALTIME) != 0;
  if (is_realtime && !may_name_realtime(command)) return -ENOSYS;
  const auto* limit = reinterpret_cast<const timespec*>(timeout);
  switch (command) {
    case FUTEX_WAIT:
      return wait_for({word, value, all_futex_bits, limit});
    case FUTEX_WAIT_BITSET:
      return wait_until({word, value, third_value, limit},
                        is_realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    case FUTEX_WAKE:
      return wake_at(word, value, all_futex_bits, is_private);
    case FUTEX_WAKE_BITSET:
      return wake_at(word, value, third_value, is_private);
    case FUTEX_REQUEUE:
      return requeue(word, value, timeout, second_word, nullptr);
    case FUTEX_CMP_REQUEUE:
      return requeue(word, value, timeout, second_word, &third_value);
    case FUTEX_WAKE_OP:
      return wake_and_change(word, value, second_word, static_cast<std::uint32_t>(timeout),
                             third_value);
    case FUTEX_LOCK_PI:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_CMP_REQUEUE_PI:
      return refuse_priority(command);
    default:
      return -ENOSYS;
  }
}

}  // namespace gallocy::preload
