// The application threads that run in this process: start, and notice and collect their end.
#pragma once

#include <pthread.h>

#include <cstdint>

#include "base/result.hpp"

namespace gallocy::client {

// How threads are made, for a runtime that wants their stacks to be somewhere. By default the C
// library makes the stacks, of its default size. Set before the agent starts.
struct ThreadMaker {
  // Agent. Sets the stack in `attributes` for the thread with that argument; what it returns is the
  // stack, given back when the thread has wholly ended. nullptr: no room.
  void* (*take_stack)(std::uint64_t argument, pthread_attr_t& attributes) = nullptr;
  void (*give_stack)(void* stack) = nullptr;
  // In the ending thread, when its thread-local destructors have run.
  void (*ending)() = nullptr;
};
extern constinit ThreadMaker thread_maker;

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

// Any thread. The C library's name of a thread that runs in this process; false: none has that
// number.
bool find_thread(std::uint64_t thread, pthread_t& real);

// Agent only. Tells of each thread that has wholly ended: its thread-local destructors have run
// and its stack is free. Returns whether there are threads that are about to end and have not yet.
bool collect_ended(void (*tell)(std::uint64_t thread, void* result));

}  // namespace gallocy::client
