// The application threads that run in this process: start, and notice and collect their end.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace gallocy::client {

// Once, before the first start_thread.
Status prepare_threads();

// The calling thread is an application thread like those that start_thread makes: its end, if it
// ends without the process, is noticed. Before the agent runs.
void adopt_this_thread();
void disown_this_thread();

// Agent only. Returns 0 or the errno of pthread_create.
int start_thread(std::uint64_t thread, std::uint64_t function, std::uint64_t argument);

// Agent only. A thread that has ended already is left alone.
void cancel_thread(std::uint64_t thread);

// Agent only. Tells of each thread that has wholly ended: its thread-local destructors have run
// and its stack is free. Returns whether there are threads that are about to end and have not yet.
bool collect_ended(void (*tell)(std::uint64_t thread, void* result));

}  // namespace gallocy::client
