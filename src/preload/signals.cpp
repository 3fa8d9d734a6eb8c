// Signals. A handler is one for all nodes. Rank 0 has it as the C library set it; elsewhere one of
// our own is before it, which interrupts the call that the thread has made by its proxy. Signals
// that are sent to the process are rank 0's.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "preload/forward.hpp"
#include "preload/real.hpp"
#include "preload/refused.hpp"
#include "preload/signals.hpp"

GALLOCY_REAL(sigaction)
GALLOCY_REAL(sigtimedwait)
GALLOCY_REAL(sigwait)
GALLOCY_REAL(sigwaitinfo)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

using Handler = void(int, siginfo_t*, void*);

struct Handling {
  std::atomic<Handler*> handler;
  std::atomic<bool> restarts;
};
constinit Handling g_handlings[NSIG] = {};  // other ranks than 0

void handle(int signal, siginfo_t* info, void* context) {
  const Handling& handling = g_handlings[signal];
  note_signal(handling.restarts, handling.handler, signal, info, context);
}

bool is_handler(const struct sigaction& action) {
  return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

// On each node but the first.
long take_over(long signal, long given, long, long, long, long) {
  if (client::process.rank == 0) return 0;
  struct sigaction action = *reinterpret_cast<const struct sigaction*>(given);
  if (is_handler(action)) {
    g_handlings[signal].restarts = (action.sa_flags & SA_RESTART) != 0;
    g_handlings[signal].handler = action.sa_sigaction;
    action.sa_sigaction = handle;
    action.sa_flags |= SA_SIGINFO;
  }
  return real::sigaction(static_cast<int>(signal), &action, nullptr);
}

struct Change {
  AnyFunction* function;
  long arguments[3];
  struct sigaction after {};
};

// By rank 0, whatever the function makes of it.
long change_there(long given, long, long, long, long, long) {
  auto& change = *reinterpret_cast<Change*>(given);
  const long* a = change.arguments;
  const long result = change.function(a[0], a[1], a[2], 0, 0, 0);
  const client::ErrnoKeeper keeper;
  real::sigaction(static_cast<int>(a[0]), nullptr, &change.after);
  return result;
}

bool is_ours(int signal) {
  if (signal <= last_signal() || signal >= NSIG) return false;
  client::say(Sentence("gallocy: a handler of signal ", signal, " is refused: gallocy uses it "
                       "itself; SIGRTMAX is ", last_signal(), "\n"));
  errno = EINVAL;
  return true;
}

// What makes a handler known, by a C library's own function.
long change(AnyFunction* function, long signal, long b, long c) {
  if (!is_application() || is_child()) return function(signal, b, c, 0, 0, 0);
  if (is_ours(static_cast<int>(signal))) return -1;
  Change made{function, {signal, b, c}};
  const long given = reinterpret_cast<long>(&made);
  const long result = is_away() ? call_on_first(change_there, given, 0, 0, 0, 0, 0)
                                : change_there(given, 0, 0, 0, 0, 0);
  if (result != -1) call_on_all(take_over, signal, reinterpret_cast<long>(&made.after), 0);
  return result;
}

long look_at(long signal, long old) {
  if (!is_away()) return real::sigaction.any()(signal, 0, old, 0, 0, 0);
  return call_on_first(real::sigaction.any(), signal, 0, old, 0, 0, 0);
}

bool can_be_set(int signal) {
  constexpr int own_first = 32, own_last = 33;  // the C library's
  return signal != SIGKILL && signal != SIGSTOP && (signal < own_first || signal > own_last) &&
         signal <= last_signal();
}

bool change_mask(int operation, int signal) {  // whether it was in it
  sigset_t set, before;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::pthread_sigmask(operation, &set, &before);
  return ::sigismember(&before, signal) == 1;
}

constinit Real<int(int, int)> real_siginterrupt("siginterrupt");
constinit Real<sighandler_t(int, sighandler_t)> real_signal("signal");
constinit Real<sighandler_t(int, sighandler_t)> real_old_signal("__sysv_signal");

sighandler_t through(const Real<sighandler_t(int, sighandler_t)>& real, int signal,
                     sighandler_t handler) {
  return reinterpret_cast<sighandler_t>(change(real.any(), signal, (long)(handler), 0));
}

}  // namespace

void preload::note_early_actions(SignalActions& actions) {
  for (int signal = 1; signal < NSIG; ++signal)
    if (can_be_set(signal)) real::sigaction(signal, nullptr, &actions.of[signal]);
}

void preload::take_early_actions(const SignalActions& actions) {
  for (int signal = 1; signal < NSIG; ++signal)
    if (can_be_set(signal)) take_over(signal, (long)(&actions.of[signal]), 0, 0, 0, 0);
}

GALLOCY_TAKES int sigaction(int signal, const struct sigaction* action,
                            struct sigaction* old) noexcept {
  if (action == nullptr) return static_cast<int>(look_at(signal, (long)(old)));
  return static_cast<int>(
      change(real::sigaction.any(), signal, (long)(action), (long)(old)));
}
extern "C" __attribute__((visibility("default"), alias("sigaction"))) int __sigaction(
    int signal, const struct sigaction* action, struct sigaction* old) noexcept;

GALLOCY_TAKES int siginterrupt(int signal, int ends) noexcept {
  return static_cast<int>(change(real_siginterrupt.any(), signal, ends, 0));
}

GALLOCY_TAKES sighandler_t signal(int number, sighandler_t handler) noexcept {
  return through(real_signal, number, handler);
}
GALLOCY_TAKES sighandler_t bsd_signal(int number, sighandler_t handler) noexcept {
  return through(real_signal, number, handler);
}
GALLOCY_TAKES sighandler_t ssignal(int number, sighandler_t handler) noexcept {
  return through(real_signal, number, handler);
}
GALLOCY_TAKES sighandler_t __sysv_signal(int number, sighandler_t handler) noexcept {
  return through(real_old_signal, number, handler);
}
GALLOCY_TAKES sighandler_t sysv_signal(int number, sighandler_t handler) noexcept {
  return through(real_old_signal, number, handler);
}
GALLOCY_TAKES int sigignore(int signal) noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  return ::sigaction(signal, &action, nullptr);
}
// As it is defined; the mask is the calling thread's.
GALLOCY_TAKES sighandler_t sigset(int signal, sighandler_t handler) noexcept {
  struct sigaction action {}, old {};
  action.sa_handler = handler;
  const bool holds = handler == SIG_HOLD;
  if (::sigaction(signal, holds ? nullptr : &action, &old) != 0) return SIG_ERR;
  return change_mask(holds ? SIG_BLOCK : SIG_UNBLOCK, signal) ? SIG_HOLD : old.sa_handler;
}

GALLOCY_TAKES int __libc_current_sigrtmax() noexcept { return last_signal(); }

// ---- waits for signals -------------------------------------------------------------------

namespace {

using Nanoseconds = std::int64_t;
constexpr Nanoseconds ns_per_second = 1'000'000'000;

Nanoseconds now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * ns_per_second + now.tv_nsec;
}

// What is pending here was sent to this thread. What is sent to the process is with rank 0.
int take_pending(const sigset_t& signals, siginfo_t* info) {
  const timespec at_once{0, 0};
  return real::sigtimedwait(&signals, info, &at_once);
}

int wait_once(const sigset_t& signals, siginfo_t* info, const timespec* limit) {
  return static_cast<int>(forward({real::sigtimedwait.any(),
                                   {(long)(&signals), (long)(info), (long)(limit)},
                                   nullptr,
                                   &signals}));
}

// It is interrupted for what has come to this thread, and, as natively, by a handler. `limit` is
// null or a time.
int wait_for_signal(const sigset_t& signals, siginfo_t* info, const timespec* limit) {
  const bool has_limit = limit != nullptr;
  const Nanoseconds end_ns =
      has_limit ? now_ns() + limit->tv_sec * ns_per_second + limit->tv_nsec : 0;
  const std::uint64_t noted = noted_signals();
  timespec left = has_limit ? *limit : timespec{};
  for (;;) {
    const int error = errno;
    if (const int found = take_pending(signals, info); found > 0) return found;
    errno = error;
    const int found = wait_once(signals, info, has_limit ? &left : nullptr);
    if (found > 0 || errno != EINTR || noted_signals() != noted) return found;
    if (!has_limit) continue;
    const Nanoseconds left_ns = std::max<Nanoseconds>(end_ns - now_ns(), 0);
    left = {left_ns / ns_per_second, left_ns % ns_per_second};
  }
}

}  // namespace

GALLOCY_TAKES int sigtimedwait(const sigset_t* signals, siginfo_t* info, const timespec* limit) {
  if (!is_away()) return real::sigtimedwait(signals, info, limit);
  return wait_for_signal(*signals, info, limit);
}
GALLOCY_TAKES int sigwaitinfo(const sigset_t* signals, siginfo_t* info) {
  if (!is_away()) return real::sigwaitinfo(signals, info);
  return wait_for_signal(*signals, info, nullptr);
}
GALLOCY_TAKES int sigwait(const sigset_t* signals, int* signal) {
  if (!is_away()) return real::sigwait(signals, signal);
  const int error = errno;
  int found = 0;
  do {
    found = wait_for_signal(*signals, nullptr, nullptr);
  } while (found < 0 && errno == EINTR);
  if (found < 0) return errno;
  errno = error;
  *signal = found;
  return 0;
}

// ---- calls that wait with another mask ---------------------------------------------------

// It is the calling thread's, in which the handlers run; its proxy makes the call without.

GALLOCY_REAL(ppoll)
GALLOCY_REAL(pselect)
GALLOCY_REAL(epoll_pwait)
GALLOCY_REAL(epoll_pwait2)
namespace {
constinit Real<AnyFunction> real_checked_ppoll("__ppoll_chk");
}

GALLOCY_TAKES int ppoll(pollfd* entries, nfds_t count, const timespec* limit,
                        const sigset_t* mask) {
  if (!is_away()) return real::ppoll(entries, count, limit, mask);
  return static_cast<int>(
      forward({real::ppoll.any(), {(long)(entries), (long)(count), (long)(limit)}, mask}));
}
GALLOCY_TAKES int __ppoll_chk(pollfd* entries, nfds_t count, const timespec* limit,
                              const sigset_t* mask, size_t size_bytes) {
  const ForwardedCall call{real_checked_ppoll.get(),
                           {(long)(entries), (long)(count), (long)(limit), 0, (long)(size_bytes)},
                           mask};
  if (is_away()) return static_cast<int>(forward(call));
  return static_cast<int>(real_checked_ppoll((long)(entries), (long)(count), (long)(limit),
                                             (long)(mask), (long)(size_bytes), 0));
}
GALLOCY_TAKES int pselect(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
                          const timespec* limit, const sigset_t* mask) {
  if (!is_away()) return real::pselect(count, readable, writable, exceptional, limit, mask);
  return static_cast<int>(forward({real::pselect.any(),
                                   {count, (long)(readable), (long)(writable),
                                    (long)(exceptional), (long)(limit)},
                                   mask}));
}
GALLOCY_TAKES int epoll_pwait(int fd, epoll_event* events, int count, int limit_ms,
                              const sigset_t* mask) {
  if (!is_away()) return real::epoll_pwait(fd, events, count, limit_ms, mask);
  return static_cast<int>(
      forward({real::epoll_pwait.any(), {fd, (long)(events), count, limit_ms}, mask}));
}
GALLOCY_TAKES int epoll_pwait2(int fd, epoll_event* events, int count, const timespec* limit,
                               const sigset_t* mask) {
  if (!is_away()) return real::epoll_pwait2(fd, events, count, limit, mask);
  return static_cast<int>(
      forward({real::epoll_pwait2.any(), {fd, (long)(events), count, (long)(limit)}, mask}));
}
