// Threads of the library's own in the application's process.
#pragma once

#include <pthread.h>

namespace gallocy::client {

// Starts a thread that runs the function, and returns when it does: what the C library reads at a
// thread's beginning, as the locale that a constructor has set, may lie in memory that the caller
// is about to map anew. 0 or an errno. One caller at a time.
int start_runtime_thread(pthread_t& thread, void (*function)());

}  // namespace gallocy::client
