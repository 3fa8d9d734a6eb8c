// What the C interface has no call for.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace gallocy::client {

// gallocy_pthread_join() for so many microseconds at most; ETIMEDOUT, without a sentence, when they
// are over. 0: only if the thread has ended already.
int join_thread(pthread_t thread, void** result, std::uint64_t timeout_us);

}  // namespace gallocy::client
