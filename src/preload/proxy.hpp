// The proxy's side of forward.hpp: a thread on rank 0's node that makes the calls of one thread
// elsewhere. It blocks all signals but those of faults, which are its own (a bad pointer in a
// call), and one that interrupts the call that it is in.
//
// What a handler of the caller's calls meanwhile, the same proxy makes, in a handler of its own: to
// the C library it is one thread, which has its locks already.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstdint>

#include "ipc/ring.hpp"
#include "preload/real.hpp"

namespace gallocy::preload {

// Names one call, for the whole life of the job; 0: none.
using Ticket = std::uint64_t;

struct Proxy;

// In the region, and never given back but used again: who interrupts a call may come late.
struct Call {
  sem_t answered;

  // Of the caller's node.
  Proxy* proxy;                  // makes it
  Call* next;                    // in a list of those that are not made
  Call* outer;                   // that a handler has interrupted, which makes this one
  const void* frame;             // of the caller, on its own stack; nullptr: on another
  ipc::ClientRing::Sent answer;  // the caller's wait for it
  bool waits_for_signals;
  sigset_t awaited;              // if it does; they are blocked in the caller
  std::uint64_t caller;          // its ThreadId
  Call* next_waiting;

  // Written by the caller before it asks.
  AnyFunction* function;
  long arguments[6];
  int cancel_state;  // of the caller
  std::atomic<Ticket> ticket;

  // Written by the proxy before it answers.
  long result;
  int error;
  int raised;          // a signal that the kernel sent to the proxy for what the caller did; or 0
  bool was_cancelled;  // there is no result, and the proxy has ended

  // Of rank 0, under a lock that is there.
  Ticket serving;              // while it is made; else 0
  std::atomic<Ticket> served;  // the last that was made
  Call* below;                 // that the proxy was stopped in
  sigjmp_buf* place;           // where the proxy goes on if this is left by a jump

  // Of its interruption. Who wants a stop waits for it and resumes, so that there is one at a time.
  enum class Stop : std::uint32_t { none, wanted, stopped };
  std::atomic<Stop> stop;
  int cancel_type;  // of the proxy where it was stopped
  std::atomic<bool> shall_end, has_met_end;
  // What becomes of it when it is resumed, as it would natively: it goes on, or its frames are
  // dropped, or they are unwound and the proxy ends.
  enum class After : std::uint32_t { go_on, jump, exit };
  After after;
};

// In the region, too.
struct Proxy {
  sem_t asked, ended;

  // Of the caller's node.
  Proxy* next;      // in a list of those that make no call
  bool has_to_end;  // it will tell when it has

  // Written by the caller before it asks. nullptr: the call that the proxy was stopped in is
  // resumed; if there is none, the proxy ends.
  Call* wanted;

  // Of rank 0, under the lock of the calls.
  pthread_t real;
  Call* innermost;  // of those that it makes
  std::atomic<bool> has_ended;  // in a call

  Call first;  // that no handler makes
};

// The proxy's thread; given: the Proxy.
void* serve_calls(void* given);

// In a thread that ends: if it is a proxy, and a call that it makes is the reason (it was
// cancelled), the caller learns of it.
void end_served_calls();

// What becomes of the call: it stops until it is resumed; it ends as by a signal whose handler was
// set without SA_RESTART; or the proxy is cancelled. The kernel and the C library decide what that
// means for it.
enum class Interrupt : std::uint32_t { stop, end, cancel };

// What interrupts a call, a thread on rank 0's node; given: the order, which it frees. A signal may
// come before the proxy has entered the kernel, and is repeated until it has met it there, or the
// call is over.
struct InterruptOrder {
  Call* call;
  Ticket ticket;
  Interrupt how;
};
void* interrupt_call(void* given);

// SIGRTMAX of the program: above is ours.
int last_signal();

}  // namespace gallocy::preload
