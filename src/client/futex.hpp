// What the futex system call does, for words that threads of all nodes wait at: the wait and the
// wake, as a service of the word's home. How they are made so that no wake-up is lost:
// core/futexes.hpp.
#pragma once

#include <cstdint>

#include "base/thread_calls.hpp"

namespace gallocy::client {

// REQUIRES of both: a thread of the job; the word is aligned and in gallocy memory. An errno that
// is not named here has a sentence in gallocy_last_error().

// Until somebody wakes the word, or without a reason: the caller looks again. EAGAIN: the word does
// not have that value. ETIMEDOUT. EINTR: a signal handler has run, as with the system call.
int futex_wait(const std::uint32_t* word, std::uint32_t expected, std::uint32_t bits,
               std::uint64_t timeout_us = no_timeout);

// At most `count` of those who wait with one of the bits, the oldest first; `woken`: how many there
// were.
int futex_wake(const std::uint32_t* word, std::uint32_t count, std::uint32_t bits,
               std::uint32_t& woken);

}  // namespace gallocy::client
