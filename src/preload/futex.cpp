#include "preload/futex.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include <algorithm>
#include <limits>

#include "client/futex.hpp"
#include "client/sync.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constexpr std::uint32_t all = std::numeric_limits<std::int32_t>::max();

// The kernel wakes one if it is asked for none.
std::uint32_t count_of(std::uint32_t value) {
  return static_cast<std::int32_t>(value) < 1 ? 1 : value;
}

long wake(const std::uint32_t* word, std::uint32_t count) {
  std::uint32_t woken = 0;
  const int error = client::futex_wake(word, count, woken);
  return error == 0 ? long{woken} : -error;
}

long wait_until(const std::uint32_t* word, std::uint32_t expected, clockid_t clock,
                const timespec* until) {
  if (until == nullptr) return -client::futex_wait(word, expected);
  const auto left_us = client::time_left_us(clock, until);
  return -(left_us ? client::futex_wait(word, expected, *left_us) : left_us.error().code);
}

// FUTEX_WAIT has a limit from now on, whichever clock it names.
long wait_for(const std::uint32_t* word, std::uint32_t expected, const timespec* limit) {
  if (limit == nullptr) return -client::futex_wait(word, expected);
  constexpr long ns_per_second = 1'000'000'000;
  if (limit->tv_sec < 0 || limit->tv_nsec < 0 || limit->tv_nsec >= ns_per_second) return -EINVAL;
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += limit->tv_nsec;
  const long carried = until.tv_nsec / ns_per_second;
  until.tv_nsec %= ns_per_second;
  if (__builtin_add_overflow(until.tv_sec, limit->tv_sec + carried, &until.tv_sec))
    return -client::futex_wait(word, expected);
  return wait_until(word, expected, CLOCK_MONOTONIC, &until);
}

// Who shall be moved to another word is woken, and will find that it has to wait there.
long requeue(const std::uint32_t* word, std::uint32_t woken, std::uint64_t moved) {
  if (static_cast<std::int32_t>(woken) < 0 || static_cast<std::int32_t>(moved) < 0) return -EINVAL;
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

bool is_aligned(const void* word) { return heap::address_of(word) % sizeof(std::uint32_t) == 0; }

}  // namespace

long shared_futex(std::uint32_t* word, int operation, std::uint32_t value, std::uint64_t timeout,
                  std::uint32_t* second_word, std::uint32_t third_value) {
  if (!is_aligned(word)) return -EINVAL;
  const auto* limit = reinterpret_cast<const timespec*>(timeout);
  const clockid_t clock =
      (operation & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
      return wait_for(word, value, limit);
    case FUTEX_WAIT_BITSET:
      return third_value == 0 ? -EINVAL : wait_until(word, value, clock, limit);
    case FUTEX_WAKE:
      return wake(word, count_of(value));
    case FUTEX_WAKE_BITSET:  // which waiter has which bits, nobody notes: those look again
      if (third_value == 0) return -EINVAL;
      return wake(word, third_value == FUTEX_BITSET_MATCH_ANY ? count_of(value) : all);
    case FUTEX_CMP_REQUEUE:
      if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != third_value) return -EAGAIN;
      return requeue(word, value, timeout);
    case FUTEX_REQUEUE:
      return requeue(word, value, timeout);
    case FUTEX_WAKE_OP:
      if (!is_aligned(second_word) || !is_shared(second_word)) return -EINVAL;
      return wake_and_change(word, value, second_word, static_cast<std::uint32_t>(timeout),
                             third_value);
    default:
      client::say(Sentence("gallocy: futex operation ", operation & FUTEX_CMD_MASK, " is refused: "
                           "mutexes that pass on priority are not supported\n"));
      return -ENOSYS;
  }
}

}  // namespace gallocy::preload
