// Calls that are rank 0's to make: descriptors, streams, exit. A thread of another rank has them
// made by a thread of its own on rank 0's node, its *proxy*, so that what the C library notes of
// the caller (who has locked a stream) holds from call to call. Addresses mean the same there.
//
// A handler that runs in the calling thread meanwhile interrupts the call as the kernel would, and
// may make such calls itself, by the same proxy. Whether the call is a cancellation point is known
// to the C library, whose proxy is cancelled if the caller is.
#pragma once

#include <signal.h>

#include <cstdint>

#include "preload/proxy.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

// Before any thread is started in this rank.
void set_first_node(std::uint32_t node);

// The calling thread is the program's and runs in another rank than 0.
inline bool is_away() { return is_application() && client::process.rank != 0; }

struct ForwardedCall {
  AnyFunction* function;
  long arguments[6];
  const sigset_t* mask = nullptr;     // of the caller until the answer, if it is not its own
  const sigset_t* awaited = nullptr;  // signals that it waits for: those to the caller end it
};

// errno is what the call left there.
long forward(const ForwardedCall& call);

inline long call_on_first(AnyFunction* function, long a, long b, long c, long d, long e, long f) {
  return forward({function, {a, b, c, d, e, f}});
}

// As before, of what makes processes, which inherit the mask of signals.
long call_on_first_with_mask(AnyFunction* function, long a, long b, long c, long d, long e, long f);

// A call that takes its arguments in integer registers, made where it belongs: by rank 0.
template <auto make = call_on_first, class Function, class... Arguments>
auto by_first(const Real<Function>& real, Arguments... arguments) {
  using Result = decltype(real(arguments...));
  if (!is_away()) return real(arguments...);
  const long words[6] = {(long)(arguments)...};
  return (Result)(make(real.any(), words[0], words[1], words[2], words[3], words[4], words[5]));
}

// On every node: for state that each process keeps. In the calling thread, and in one on each other
// node, side by side. The first result that is not 0, the caller's before others.
long call_on_all(AnyFunction* function, long a, long b, long c);

// The calling thread is such a one. Who has made it may have any lock.
bool is_call_on_node();

// A signal is delivered to the calling thread, and was or was not to restart the call that it
// makes. How often that was so.
void note_signal(bool restarts, void (*handle)(int, siginfo_t*, void*), int signal, siginfo_t* info,
                 void* context);
std::uint64_t noted_signals();

// It is pending at that thread of this rank, or one of them: who waits for it shall look.
inline constexpr std::uint64_t any_thread = 0;
void wake_signal_wait(std::uint64_t thread, int signal);

// When the thread ends.
void end_proxy();

}  // namespace gallocy::preload
