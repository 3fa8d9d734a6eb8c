// The proxy's side of forward.hpp: a thread on rank 0's node that makes the calls of one thread
// elsewhere. It blocks all signals but those of faults, which are its own (a bad pointer in a
// call), and one that interrupts the call that it is in.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include <atomic>
#include <cstdint>

#include "preload/real.hpp"

namespace gallocy::preload {

// Names one call, for the whole life of the job; 0: none.
using Ticket = std::uint64_t;

// In the region, and never given back but used again: who interrupts a call may come late.
struct Proxy {
  sem_t asked, answered, resumed;

  // Of the caller's node.
  Proxy* next;            // in a list of those that make no call
  Proxy* outer;           // makes the call that a handler has interrupted, which makes this one
  const void* frame;      // of the caller, on its own stack; nullptr: on another
  bool has_to_end;        // it will answer once more, when it has
  bool waits_for_signals;
  sigset_t awaited;       // if it does; they are blocked in the caller
  std::uint64_t caller;   // its ThreadId
  Proxy* next_waiting;

  // Written by the caller before it asks.
  AnyFunction* function;  // nullptr: the proxy ends
  long arguments[6];
  int cancel_state;  // of the caller
  std::atomic<Ticket> ticket;

  // Written by the proxy before it answers.
  long result;
  int error;
  int raised;          // a signal that the kernel sent to the proxy for what the caller did; or 0
  bool was_cancelled;  // there is no result, and the proxy has ended

  // Of rank 0, under a lock that is there.
  Ticket serving, served;  // the call that it makes, or 0; the last that it has made
  pthread_t real;

  // Of its interruption. Who wants a stop waits for it and resumes, so that there is one at a time.
  enum class Stop : std::uint32_t { none, wanted, stopped };
  std::atomic<Stop> stop;
  std::atomic<bool> shall_end, has_met_end;
};

// The proxy's thread; given: the Proxy.
void* serve_calls(void* given);

// In a thread that ends: if it is a proxy, and the call that it makes is the reason (it was
// cancelled), the caller learns of it.
void end_served_call();

// What becomes of the call: it stops until it is resumed; it ends as by a signal whose handler was
// set without SA_RESTART; or the proxy is cancelled. The kernel and the C library decide what that
// means for it.
enum class Interrupt : std::uint32_t { stop, end, cancel };

// What interrupts a call, a thread on rank 0's node; given: the order, which it frees. A signal may
// come before the proxy has entered the kernel, and is repeated until it has met it there, or the
// call is over.
struct InterruptOrder {
  Proxy* proxy;
  Ticket ticket;
  Interrupt how;
};
void* interrupt_call(void* given);

// It goes on, if it has stopped, by making the system call again where the kernel does that.
void resume_call(Proxy& proxy, bool ends);

// SIGRTMAX of the program: above is ours.
int last_signal();

}  // namespace gallocy::preload
