#include "preload/proxy.hpp"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <sys/ucontext.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/blocked_signals.hpp"
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
thread_local constinit Proxy* t_self = nullptr;
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

void block_all_but_own() {
  sigset_t mask;
  ::sigfillset(&mask);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, last_real_signal()})
    ::sigdelset(&mask, own);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void serve(Proxy& proxy);

// The C library makes some calls while a thread may be cancelled at any instruction of its own. The
// calls of a handler are not to be.
class Stopped {
 public:
  explicit Stopped(Call& call) : call_(call) {
    ::pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &call.cancel_type);
    t_is_inside = false;
    block_all_but_own();
    call.stop = Call::Stop::stopped;
  }
  ~Stopped() {
    BlockedSignals::block();
    t_is_inside = true;
    ::pthread_setcanceltype(call_.cancel_type, nullptr);
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  const client::ErrnoKeeper keeper_;
  const ipc::NoCancellation guard_;
  Call& call_;
};

// Where the caller's handler does not return, this does not either.
void stop_if_wanted(Call& call) {
  if (call.stop != Call::Stop::wanted) return;
  {
    const Stopped stopped(call);
    serve(*t_self);
  }
  if (call.after == Call::After::go_on) return;
  t_is_inside = false;
  if (call.after == Call::After::jump) ::siglongjmp(*call.place, 1);
  block_all_but_own();
  ::pthread_exit(nullptr);
}

// Of several signals one may come when all is done. Who waits for the caller's handler must not
// keep rank 0's heap from others meanwhile: the signal is sent again. This is a handler with
// SA_RESTART; without, the kernel would let fail what it makes again.
void on_interrupt(int, siginfo_t*, void* context) {
  if (!t_is_inside || client::held_locks != 0) return;
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (!is_before_system_call(registers) && !is_behind_system_call(registers)) return;
  Call& call = *t_self->innermost;
  stop_if_wanted(call);
  if (!call.shall_end.exchange(false)) return;
  if (is_before_system_call(registers)) {
    registers[REG_RIP] += 2;
    registers[REG_RAX] = -EINTR;
  }
  call.has_met_end = true;
}

void accept_interrupts() {
  struct sigaction action {};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  real::sigaction(last_real_signal(), &action, nullptr);
  block_all_but_own();
}

void begin_call(Call& call) {
  const client::Locked guard(g_serving_lock);
  call.below = std::exchange(t_self->innermost, &call);
  call.serving = call.ticket;
}

void end_call(Call& call) {
  const client::Locked guard(g_serving_lock);
  call.served = call.serving;
  call.serving = 0;
  call.stop = Call::Stop::none;
  call.shall_end = false;
  t_self->innermost = call.below;
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

void enter_function(Call& call) {
  ::pthread_setcancelstate(call.cancel_state, nullptr);
  errno = call.error;
  const long* a = call.arguments;
  t_is_inside = true;
  call.result = call.function(a[0], a[1], a[2], a[3], a[4], a[5]);
  t_is_inside = false;
  call.error = errno;
}

// What the function would have put back.
void clean_up_behind_jump() {
  ::uselocale(LC_GLOBAL_LOCALE);
  ::pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, nullptr);
  block_all_but_own();
}

void make(Call& call) {
  begin_call(call);
  sigjmp_buf place;
  call.place = &place;
  if (sigsetjmp(place, 0) == 0) enter_function(call);
  else clean_up_behind_jump();
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  end_call(call);
  call.raised = take_raised(call.error);
}

void serve(Proxy& proxy) {
  while (gallocy_sem_wait(&proxy.asked) == 0 && proxy.wanted != nullptr) {
    Call& call = *proxy.wanted;
    make(call);
    gallocy_sem_post(&call.answered);
  }
}

bool has_stopped(Call& call, bool is_first) {
  if (is_first) call.stop = Call::Stop::wanted;
  return call.stop == Call::Stop::stopped;
}

bool has_met_end(Call& call, bool is_first) {
  if (!is_first) return call.has_met_end;
  call.has_met_end = false;
  call.shall_end = true;
  return false;
}

// Whether there is nothing left to do. A call that a handler makes meanwhile is not interrupted for
// the one that it has interrupted.
bool try_interrupt(const InterruptOrder& order, bool& was_sent) {
  const client::Locked guard(g_serving_lock);
  Call& call = *order.call;
  if (call.ticket != order.ticket || call.served == order.ticket) return true;
  if (call.serving != order.ticket) return false;
  const Proxy& proxy = *call.proxy;
  if (order.how == Interrupt::cancel) return ::pthread_cancel(proxy.real), true;
  if (proxy.innermost != &call) return false;
  const bool is_first = !std::exchange(was_sent, true);
  if (order.how == Interrupt::stop ? has_stopped(call, is_first) : has_met_end(call, is_first))
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
  t_self = &proxy;
  serve(proxy);
  t_self = nullptr;
  gallocy_sem_post(&proxy.ended);
  return nullptr;
}

// The answer to the outermost may end the caller's use of this proxy.
void end_served_calls() {
  if (t_self == nullptr) return;
  t_is_inside = false;
  t_self->has_ended = true;
  for (Call* call = t_self->innermost; call != nullptr;) {
    Call* const below = call->below;
    call->was_cancelled = true;
    end_call(*call);
    gallocy_sem_post(&call->answered);
    call = below;
  }
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

int last_signal() { return last_real_signal() - 1; }

}  // namespace gallocy::preload
