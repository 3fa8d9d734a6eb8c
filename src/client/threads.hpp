// What the C interface has no call for.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace gallocy::client {

// gallocy_pthread_join() for so many microseconds at most; ETIMEDOUT, without a sentence, when they
// are over. 0: only if the thread has ended already.
int join_thread(pthread_t thread, void** result, std::uint64_t timeout_us);

// gallocy_pthread_create_on() of a thread that makes calls for the program and is none of its own:
// not counted where people are told of threads, nor when a node is chosen for one.
int create_runtime_thread(pthread_t* thread, const pthread_attr_t* attr,
                          void* (*function)(void*), void* argument, int node);

}  // namespace gallocy::client
