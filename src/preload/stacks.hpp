// Stacks of the program's threads: in the region, so that a pointer to a local or thread-local
// variable (the C library puts TCB and TLS at the top of the stack) means the same on all nodes.
// Each is made on the node where the thread runs, and used again by later threads.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <cstddef>
#include <cstdint>

#include "preload/guards.hpp"

namespace gallocy::preload {

// How to round, and which exceptions trap.
struct FloatingModes {
  std::uint32_t vector;
  std::uint16_t x87;
};
FloatingModes floating_modes();

// What a thread is begun with, in shared memory; its creator makes it, the thread frees it.
struct ThreadStart {
  void* (*function)(void*);
  void* argument;
  bool is_detached;
  std::size_t stack_bytes;  // 0: the default
  std::size_t guard_bytes;  // whole pages
  void* own_stack;          // of the program's, or nullptr
  // Of the creator, if attributes say nothing else.
  sigset_t mask;
  FloatingModes modes;
  char name[16];
  bool has_cpus;  // or those of the process that it runs in
  cpu_set_t cpus;
};

// Whether the calling thread is, as far as it has been told. To the C library none is.
extern thread_local constinit bool is_detached;

// In the thread, called with its ThreadStart.
void* run_thread(void* start);

// Threads that are made from now on have rank 0's guards. Before the agent is told to make one.
void set_guards(const Guards& guards);

// For client::thread_maker. REQUIRES: one thread (the agent, or the initial thread before it makes
// any).
void* take_stack(std::uint64_t start, pthread_attr_t& attributes);
void give_stack(void* stack);

// One that this rank has made, with its guard, which its threads can't touch.
bool is_in_stack(const void* address);

// Of a stack of this rank's threads, what its creator has asked for; zeros: it is the program's.
// Any thread.
struct StackSizes {
  std::size_t stack_bytes, guard_bytes;
};
StackSizes sizes_of_stack(const void* stack);

}  // namespace gallocy::preload
