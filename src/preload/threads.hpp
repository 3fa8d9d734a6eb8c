// Threads of the program, wherever they run, and the runtime's own that work for them.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace gallocy::preload {

// Starts a thread of the runtime, of the default size, on that node. thread: nullptr if nobody
// joins it. 0 or a positive errno, with a sentence in gallocy_last_error().
int start_runtime_thread(int node, pthread_t* thread, void* (*function)(void*), void* argument);

// Of threads whose attributes say nothing; 0: as `ulimit -s` has it.
std::size_t default_stack_bytes();
void set_default_stack_bytes(std::size_t size_bytes);

// The library whose code has called pthread_create before main(), lastly; for people.
const char* early_thread_starter();

}  // namespace gallocy::preload
