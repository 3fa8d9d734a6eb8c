// Sleep and wake on a word that two processes share. Raw system calls: the C library's futex
// wrappers are private to it, and these are no cancellation points.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace gallocy::ipc {

// Returns when the word is no longer `expected`, at a wake-up, a signal, or after timeout_ms
// (-1: none): the caller looks again. True: a signal handler has run, of those with SA_RESTART only
// if there is a timeout, as with all futexes. Leaves errno as it was.
inline bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       int timeout_ms = -1) {
  const int saved_errno = errno;
  timespec limit{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  const long result = ::syscall(SYS_futex, &word, FUTEX_WAIT, expected,
                                timeout_ms < 0 ? nullptr : &limit, nullptr, 0);
  const bool is_interrupted = result != 0 && errno == EINTR;
  errno = saved_errno;
  return is_interrupted;
}

inline void futex_wake(std::atomic<std::uint32_t>& word, int count) {
  const int saved_errno = errno;
  ::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  errno = saved_errno;
}

}  // namespace gallocy::ipc
