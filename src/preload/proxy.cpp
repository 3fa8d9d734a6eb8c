#include "preload/proxy.hpp"

#include <errno.h>
#include <signal.h>
#include <sys/ucontext.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/forward.hpp"

GALLOCY_REAL(sigaction)
GALLOCY_REAL(pthread_kill)
GALLOCY_REAL(sigtimedwait)

namespace gallocy::preload {

namespace {

constexpr long pause_min_ns = 50'000, pause_max_ns = 5'000'000;

// Whether a call may be interrupted is decided under it, so that no signal is sent to a proxy that
// makes another call already. The kernel delivers a signal before the thread that it is for gets as
// far as to this lock.
constinit client::FutexLock g_serving_lock;
thread_local constinit Proxy* t_serves = nullptr;
// In the function that is called, not in what is done before and after it.
thread_local constinit volatile bool t_is_inside = false;

int last_real_signal() {
  static const Real<int()> real("__libc_current_sigrtmax");
  return real();
}

// After a system call that was interrupted the next instruction is the one behind it, or, if it is
// to be made again, itself; rcx is what the instruction left there.
bool is_system_call(greg_t address) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(address);
  return bytes[0] == 0x0f && bytes[1] == 0x05;
}

bool is_behind_system_call(const greg_t* registers) {
  return registers[REG_RCX] == registers[REG_RIP] && is_system_call(registers[REG_RIP] - 2);
}

bool is_before_system_call(const greg_t* registers) {
  return registers[REG_RCX] == registers[REG_RIP] + 2 && is_system_call(registers[REG_RIP]);
}

void stop_if_wanted(Proxy& proxy) {
  Proxy::Stop wanted = Proxy::Stop::wanted;
  if (!proxy.stop.compare_exchange_strong(wanted, Proxy::Stop::stopped)) return;
  const ipc::NoCancellation guard;
  gallocy_sem_wait(&proxy.resumed);
}

// Of several signals one may come when all is done. Who waits for the caller's handler must not
// keep rank 0's heap from others meanwhile: the signal is sent again. This is a handler with
// SA_RESTART; without, the kernel would let fail what it makes again.
void on_interrupt(int, siginfo_t*, void* context) {
  if (!t_is_inside || client::held_locks != 0) return;
  Proxy& proxy = *t_serves;
  const client::ErrnoKeeper keeper;
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (!is_before_system_call(registers) && !is_behind_system_call(registers)) return;
  stop_if_wanted(proxy);
  if (!proxy.shall_end.exchange(false)) return;
  if (is_before_system_call(registers)) {
    registers[REG_RIP] += 2;
    registers[REG_RAX] = -EINTR;
  }
  proxy.has_met_end = true;
}

void accept_interrupts() {
  struct sigaction action {};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  real::sigaction(last_real_signal(), &action, nullptr);
  sigset_t mask;
  ::sigfillset(&mask);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, last_real_signal()})
    ::sigdelset(&mask, own);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void begin_call(Proxy& proxy) {
  const client::Locked guard(g_serving_lock);
  proxy.serving = proxy.ticket;
}

void end_call(Proxy& proxy) {
  const client::Locked guard(g_serving_lock);
  proxy.served = proxy.serving;
  proxy.serving = 0;
  proxy.stop = Proxy::Stop::none;
  proxy.shall_end = false;
}

// The kernel sends these to the thread that has made the call, and here they are blocked. They are
// the caller's, whose mask and handler decide.
int take_raised(int error) {
  if (error != EPIPE && error != EFBIG) return 0;
  sigset_t raised;
  ::sigemptyset(&raised);
  ::sigaddset(&raised, SIGPIPE);
  ::sigaddset(&raised, SIGXFSZ);
  const timespec at_once{0, 0};
  return std::max(real::sigtimedwait(&raised, nullptr, &at_once), 0);
}

void make(Proxy& proxy) {
  begin_call(proxy);
  ::pthread_setcancelstate(proxy.cancel_state, nullptr);
  errno = proxy.error;
  const long* a = proxy.arguments;
  t_is_inside = true;
  proxy.result = proxy.function(a[0], a[1], a[2], a[3], a[4], a[5]);
  t_is_inside = false;
  proxy.error = errno;
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  end_call(proxy);
  proxy.raised = take_raised(proxy.error);
}

bool has_stopped(Proxy& proxy, bool is_first) {
  if (is_first) proxy.stop = Proxy::Stop::wanted;
  return proxy.stop == Proxy::Stop::stopped;
}

bool has_met_end(Proxy& proxy, bool is_first) {
  if (!is_first) return proxy.has_met_end;
  proxy.has_met_end = false;
  proxy.shall_end = true;
  return false;
}

// Whether there is nothing left to do.
bool try_interrupt(const InterruptOrder& order, bool& was_sent) {
  const client::Locked guard(g_serving_lock);
  Proxy& proxy = *order.proxy;
  if (proxy.ticket != order.ticket || proxy.served == order.ticket) return true;
  if (proxy.serving != order.ticket) return false;
  if (order.how == Interrupt::cancel) return ::pthread_cancel(proxy.real), true;
  const bool is_first = !std::exchange(was_sent, true);
  if (order.how == Interrupt::stop ? has_stopped(proxy, is_first) : has_met_end(proxy, is_first))
    return true;
  real::pthread_kill(proxy.real, last_real_signal());
  return false;
}

}  // namespace

void* serve_calls(void* given) {
  auto& proxy = *static_cast<Proxy*>(given);
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  accept_interrupts();
  proxy.real = ::pthread_self();
  t_serves = &proxy;
  while (gallocy_sem_wait(&proxy.asked) == 0 && proxy.function != nullptr) {
    make(proxy);
    gallocy_sem_post(&proxy.answered);
  }
  t_serves = nullptr;
  gallocy_sem_post(&proxy.answered);
  return nullptr;
}

void end_served_call() {
  if (t_serves == nullptr) return;
  t_is_inside = false;
  end_call(*t_serves);
  t_serves->was_cancelled = true;
  gallocy_sem_post(&t_serves->answered);
}

void* interrupt_call(void* given) {
  const InterruptOrder order = *static_cast<InterruptOrder*>(given);
  gallocy_free(given);
  bool was_sent = false;
  for (long pause_ns = pause_min_ns; !try_interrupt(order, was_sent);) {
    const timespec pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
    pause_ns = std::min(pause_ns * 2, pause_max_ns);
  }
  return nullptr;
}

void resume_call(Proxy& proxy, bool ends) {
  if (proxy.stop != Proxy::Stop::stopped) return;
  if (ends) proxy.shall_end = true;
  proxy.stop = Proxy::Stop::none;
  gallocy_sem_post(&proxy.resumed);
}

int last_signal() { return last_real_signal() - 1; }

}  // namespace gallocy::preload
