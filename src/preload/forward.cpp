#include "preload/forward.hpp"

#include <errno.h>
#include <string.h>

#include <utility>

#include "client/windows.hpp"
#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/blocked_signals.hpp"
#include "preload/threads.hpp"

GALLOCY_REAL(pthread_kill)

namespace gallocy::preload {

namespace {

constinit std::uint32_t g_first_node = 0;

// Of threads of this rank that have ended.
constinit client::FutexLock g_spare_lock;
constinit Proxy* g_spare = nullptr;

constinit std::atomic<Ticket> g_last_ticket = 0;

// Of threads of this rank that wait for signals.
constinit client::FutexLock g_waiting_lock;
constinit Proxy* g_waiting = nullptr;

// The proxies of the calling thread. Touched while all signals are blocked.
thread_local constinit Proxy* t_idle = nullptr;
thread_local constinit Proxy* t_asked = nullptr;  // the innermost call that waits for its answer

// The call that a signal interrupts that is delivered now.
thread_local constinit Ticket t_interruptible = 0;
thread_local constinit std::uint64_t t_noted_signals = 0;

thread_local constinit bool t_is_call_on_node = false;

void push(Proxy*& list, Proxy& proxy) {
  proxy.next = list;
  list = &proxy;
}

Proxy* pop(Proxy*& list) {
  Proxy* first = list;
  if (first != nullptr) list = first->next;
  return first;
}

// ECANCELED, if that is asked for and the calling thread has been cancelled.
int await(sem_t& semaphore, bool cancellable) {
  const std::uint64_t key = client::own_address_of(heap::address_of(&semaphore));
  const ipc::Reply reply =
      client::process.ring.call(ipc::Operation::sync, key, client::self.thread,
                                SyncOperation::take, SyncKind::semaphore, 0, no_timeout,
                                cancellable ? 1 : 0);
  return reply.status;
}

void await_answer(Proxy& proxy) {
  if (await(proxy.answered, false) != 0) refuse("the answer to a forwarded call has been lost");
}

void ask(Proxy& proxy) {
  if (gallocy_sem_post(&proxy.asked) != 0) refuse(gallocy_last_error());
}

Proxy& make_proxy() {
  auto* proxy = static_cast<Proxy*>(gallocy_calloc(1, sizeof(Proxy)));
  if (proxy == nullptr || gallocy_sem_init(&proxy->asked, 0, 0) != 0 ||
      gallocy_sem_init(&proxy->answered, 0, 0) != 0 ||
      gallocy_sem_init(&proxy->resumed, 0, 0) != 0)
    refuse(gallocy_last_error());
  return *proxy;
}

Proxy* take_spare() {
  Proxy* proxy = nullptr;
  {
    const client::Locked guard(g_spare_lock);
    proxy = pop(g_spare);
  }
  if (proxy != nullptr && proxy->has_to_end) await_answer(*proxy);
  return proxy;
}

void give_spare(Proxy& proxy, bool has_to_end) {
  proxy.has_to_end = has_to_end;
  const client::Locked guard(g_spare_lock);
  push(g_spare, proxy);
}

Proxy& take_proxy() {
  if (Proxy* idle = pop(t_idle); idle != nullptr) return *idle;
  Proxy* proxy = take_spare();
  if (proxy == nullptr) proxy = &make_proxy();
  if (start_runtime_thread(static_cast<int>(g_first_node), nullptr, serve_calls, proxy) != 0)
    refuse(gallocy_last_error());
  return *proxy;
}

// Returns when it has been done. All signals are blocked: what is allocated here may not be
// interrupted by a handler that comes here, too.
void interrupt(Proxy& proxy, Ticket ticket, Interrupt how, bool waits = true) {
  const client::ErrnoKeeper keeper;
  const BlockedSignals blocked;
  auto* order = static_cast<InterruptOrder*>(gallocy_malloc(sizeof(InterruptOrder)));
  if (order == nullptr) refuse(gallocy_last_error());
  *order = {&proxy, ticket, how};
  pthread_t thread{};
  if (start_runtime_thread(static_cast<int>(g_first_node), waits ? &thread : nullptr,
                           interrupt_call, order) != 0 ||
      (waits && gallocy_pthread_join(thread, nullptr) != 0))
    refuse(gallocy_last_error());
}

// Null on a stack for signals, whose addresses say nothing of what has called what.
const void* own_frame(const void* frame) {
  stack_t stack{};
  ::sigaltstack(nullptr, &stack);
  return (stack.ss_flags & SS_ONSTACK) != 0 ? nullptr : frame;
}

void give_back(Proxy& proxy) {
  t_asked = proxy.outer;
  if (proxy.was_cancelled) give_spare(proxy, false);
  else push(t_idle, proxy);
}

void leave(Proxy& proxy) {
  if (!proxy.waits_for_signals) return;
  const client::Locked guard(g_waiting_lock);
  proxy.waits_for_signals = false;
  Proxy** link = &g_waiting;
  while (*link != &proxy) link = &(*link)->next_waiting;
  *link = proxy.next_waiting;
}

// A handler has left calls by siglongjmp: their frames are gone, and the caller can be cancelled
// again, as before. They end as if interrupted. The wait for the answer goes on in the daemon and
// takes it, so that the proxy is not used again.
void end_left_calls(const void* frame, int& cancel_state) {
  while (t_asked != nullptr && frame != nullptr && t_asked->frame != nullptr &&
         t_asked->frame <= frame) {
    Proxy& left = *t_asked;
    resume_call(left, true);
    interrupt(left, left.ticket, Interrupt::end);
    leave(left);
    cancel_state = left.cancel_state;
    t_asked = left.outer;
    left.function = nullptr;
    ask(left);
  }
}

bool is_any_pending(const sigset_t& signals) {
  sigset_t pending, both;
  ::sigpending(&pending);
  ::sigandset(&both, &pending, &signals);
  return ::sigisemptyset(&both) == 0;
}

// Race: a signal is sent to the caller after its last look at what is pending, and before it is in
// the list, so that the sender does not find it there. It looks once more when it is.
void enter(Proxy& proxy, const sigset_t& awaited) {
  proxy.awaited = awaited;
  proxy.caller = client::self.thread;
  {
    const client::Locked guard(g_waiting_lock);
    proxy.waits_for_signals = true;
    proxy.next_waiting = g_waiting;
    g_waiting = &proxy;
  }
  if (is_any_pending(awaited)) interrupt(proxy, proxy.ticket, Interrupt::end);
}

Ticket new_ticket() {
  constexpr unsigned rank_shift = 48;
  return std::uint64_t{client::process.rank} << rank_shift | ++g_last_ticket;
}

void prepare(Proxy& proxy, const ForwardedCall& call, int cancel_state, int error) {
  proxy.function = call.function;
  ::memcpy(proxy.arguments, call.arguments, sizeof call.arguments);
  proxy.cancel_state = cancel_state;
  proxy.ticket = new_ticket();
  proxy.error = error;
  proxy.raised = 0;
  proxy.was_cancelled = false;
}

void wait_for_answer(Proxy& proxy) {
  if (await(proxy.answered, proxy.cancel_state == PTHREAD_CANCEL_ENABLE) == 0) return;
  interrupt(proxy, proxy.ticket, Interrupt::cancel);
  await_answer(proxy);
}

// With all signals blocked but where it waits.
void make(Proxy& proxy, const ForwardedCall& call, const sigset_t& own_mask) {
  const Ticket interrupted = t_interruptible;
  t_interruptible = proxy.ticket;
  ask(proxy);
  if (call.awaited != nullptr) enter(proxy, *call.awaited);
  BlockedSignals::open(call.mask != nullptr ? *call.mask : own_mask);
  wait_for_answer(proxy);
  BlockedSignals::block();
  t_interruptible = interrupted;
  leave(proxy);
}

struct CallOnNode {
  AnyFunction* function;
  long a, b, c;
};

void* call_there(void* given) {
  const auto& call = *static_cast<const CallOnNode*>(given);
  t_is_call_on_node = true;
  return reinterpret_cast<void*>(call.function(call.a, call.b, call.c, 0, 0, 0));
}

struct MaskedCall {
  AnyFunction* function;
  long arguments[6];
  sigset_t mask;
};

// Meanwhile a signal that is sent to the process may be handled here.
long make_with_mask(long given, long, long, long, long, long) {
  const auto& call = *reinterpret_cast<const MaskedCall*>(given);
  const long* a = call.arguments;
  const BlockedSignals blocked;
  BlockedSignals::open(call.mask);
  return call.function(a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // namespace

void set_first_node(std::uint32_t node) { g_first_node = node; }

long forward(const ForwardedCall& call) {
  const int error = errno;
  int cancel_state = 0, raised = 0;
  bool was_cancelled = false;
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
  long result = 0;
  {
    const BlockedSignals blocked;
    const void* frame = own_frame(__builtin_frame_address(0));
    end_left_calls(frame, cancel_state);
    Proxy& proxy = take_proxy();
    proxy.frame = frame;
    prepare(proxy, call, cancel_state, error);
    proxy.outer = t_asked;
    t_asked = &proxy;
    make(proxy, call, blocked.before());
    result = proxy.result;
    errno = proxy.error;
    raised = proxy.raised;
    was_cancelled = proxy.was_cancelled;
    give_back(proxy);
    // Pending until the caller's mask is back.
    if (raised != 0) real::pthread_kill(::pthread_self(), raised);
  }
  ::pthread_setcancelstate(cancel_state, nullptr);
  if (was_cancelled) ::pthread_testcancel();
  return result;
}

long call_on_first_with_mask(AnyFunction* function, long a, long b, long c, long d, long e,
                             long f) {
  MaskedCall call{function, {a, b, c, d, e, f}, {}};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &call.mask);
  return call_on_first(make_with_mask, reinterpret_cast<long>(&call), 0, 0, 0, 0, 0);
}

long call_on_all(AnyFunction* function, long a, long b, long c) {
  const ipc::NoCancellation guard;
  CallOnNode call{function, a, b, c};
  pthread_t threads[max_node_count];
  for (std::uint32_t node = 0; node < client::process.node_count; ++node)
    if (node != client::process.node &&
        start_runtime_thread(static_cast<int>(node), &threads[node], call_there, &call) != 0)
      refuse(gallocy_last_error());
  long result = function(a, b, c, 0, 0, 0);
  for (std::uint32_t node = 0; node < client::process.node_count; ++node) {
    void* there = nullptr;
    if (node == client::process.node) continue;
    if (gallocy_pthread_join(threads[node], &there) != 0) refuse(gallocy_last_error());
    if (result == 0) result = reinterpret_cast<long>(there);
  }
  return result;
}

bool is_call_on_node() { return t_is_call_on_node; }

// The call stops before the handler runs, as natively: what the handler does can't make it succeed.
// Another signal that comes while the handler runs interrupts the handler only.
void note_signal(bool restarts, void (*handle)(int, siginfo_t*, void*), int signal, siginfo_t* info,
                 void* context) {
  const Ticket interrupted = std::exchange(t_interruptible, 0);
  Proxy* proxy = interrupted != 0 ? t_asked : nullptr;
  ++t_noted_signals;
  if (proxy != nullptr) interrupt(*proxy, interrupted, Interrupt::stop);
  handle(signal, info, context);
  const client::ErrnoKeeper keeper;
  if (proxy != nullptr) resume_call(*proxy, !restarts);
  t_interruptible = interrupted;
}

std::uint64_t noted_signals() { return t_noted_signals; }

void wake_signal_wait(std::uint64_t thread, int signal) {
  const BlockedSignals blocked;
  const client::Locked guard(g_waiting_lock);
  for (Proxy* proxy = g_waiting; proxy != nullptr; proxy = proxy->next_waiting)
    if ((proxy->caller == thread || thread == any_thread) &&
        ::sigismember(&proxy->awaited, signal) == 1)
      interrupt(*proxy, proxy->ticket, Interrupt::end, false);
}

void end_proxy() {
  end_served_call();
  const BlockedSignals blocked;
  int cancel_state = PTHREAD_CANCEL_DISABLE;
  end_left_calls(reinterpret_cast<const void*>(~std::uintptr_t{0}), cancel_state);
  while (Proxy* proxy = pop(t_idle)) {
    proxy->function = nullptr;
    ask(*proxy);
    give_spare(*proxy, true);
  }
}

}  // namespace gallocy::preload
