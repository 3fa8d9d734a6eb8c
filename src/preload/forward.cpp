#include "preload/forward.hpp"

#include <errno.h>
#include <string.h>

#include <optional>
#include <utility>

#include "client/windows.hpp"
#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/blocked_signals.hpp"
#include "preload/item.hpp"
#include "preload/threads.hpp"

GALLOCY_REAL(pthread_kill)

namespace gallocy::preload {

namespace {

constinit std::uint32_t g_first_node = 0;

// Of threads of this rank that have ended.
constinit client::FutexLock g_spare_lock;
constinit Proxy* g_spare = nullptr;
constinit Call* g_spare_calls = nullptr;  // for handlers

constinit std::atomic<Ticket> g_last_ticket = 0;

// Of threads of this rank that wait for signals.
constinit client::FutexLock g_waiting_lock;
constinit Call* g_waiting = nullptr;

// The proxies of the calling thread. Touched while all signals are blocked.
thread_local constinit Proxy* t_idle = nullptr;
thread_local constinit Call* t_asked = nullptr;  // the innermost that waits for its answer

// The call that a signal interrupts that is delivered now.
thread_local constinit Ticket t_interruptible = 0;
thread_local constinit std::uint64_t t_noted_signals = 0;

thread_local constinit bool t_is_call_on_node = false;

template <class Item>
void push(Item*& list, Item& item) {
  item.next = list;
  list = &item;
}

template <class Item>
Item* pop(Item*& list) {
  Item* first = list;
  if (first != nullptr) list = first->next;
  return first;
}

// What it is answered is ECANCELED, if that is asked for and the calling thread has been cancelled.
ipc::ClientRing::Sent begin_wait(sem_t& semaphore, bool cancellable) {
  const std::uint64_t key = client::own_address_of(heap::address_of(&semaphore));
  return client::process.ring.send(ipc::Operation::sync, key, client::self.thread,
                                   SyncOperation::take, SyncKind::semaphore, 0, no_timeout,
                                   cancellable ? 1 : 0);
}

int end_wait(ipc::ClientRing::Sent wait) { return client::process.ring.receive(wait).status; }

void await(sem_t& semaphore) {
  if (end_wait(begin_wait(semaphore, false)) != 0)
    refuse("the answer to a forwarded call has been lost");
}

// Of the proxy, that it makes the call, or goes on with what it was stopped in, or ends.
void ask(Proxy& proxy, Call* wanted) {
  proxy.wanted = wanted;
  if (gallocy_sem_post(&proxy.asked) != 0) refuse(gallocy_last_error());
}

void init(sem_t& semaphore) {
  if (gallocy_sem_init(&semaphore, 0, 0) != 0) refuse(gallocy_last_error());
}

void init(Call& call, Proxy* proxy) {
  init(call.answered);
  call.proxy = proxy;
}

Proxy& make_proxy() {
  auto& proxy = make_item<Proxy>();
  init(proxy.asked);
  init(proxy.ended);
  init(proxy.first, &proxy);
  return proxy;
}

Proxy* take_spare() {
  Proxy* proxy = nullptr;
  {
    const client::Locked guard(g_spare_lock);
    proxy = pop(g_spare);
  }
  if (proxy != nullptr && proxy->has_to_end) await(proxy->ended);
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
  proxy->has_ended = false;
  if (start_runtime_thread(static_cast<int>(g_first_node), nullptr, serve_calls, proxy) != 0)
    refuse(gallocy_last_error());
  return *proxy;
}

bool is_over(const Call& call) { return call.served == call.ticket; }
bool is_stopped(const Call& call) {
  return call.stop == Call::Stop::stopped && !call.proxy->has_ended;
}

// The proxy of the call that is interrupted has the caller's locks, and waits to be told what next.
// It does so unless nobody has stopped it, since nobody has heard of the handler.
Call& take_call() {
  if (t_asked == nullptr || t_asked->proxy->has_ended ||
      (!is_stopped(*t_asked) && !is_over(*t_asked)))
    return take_proxy().first;
  Call* call = nullptr;
  {
    const client::Locked guard(g_spare_lock);
    call = pop(g_spare_calls);
  }
  if (call == nullptr) init(*(call = &make_item<Call>()), nullptr);
  call->proxy = t_asked->proxy;
  return *call;
}

// Returns when it has been done. All signals are blocked: what is allocated here may not be
// interrupted by a handler that comes here, too.
void interrupt(Call& call, Interrupt how, bool waits = true) {
  const client::ErrnoKeeper keeper;
  const BlockedSignals blocked;
  auto& order = make_item<InterruptOrder>();
  order = {&call, call.ticket, how};
  pthread_t thread{};
  if (start_runtime_thread(static_cast<int>(g_first_node), waits ? &thread : nullptr,
                           interrupt_call, &order) != 0 ||
      (waits && gallocy_pthread_join(thread, nullptr) != 0))
    refuse(gallocy_last_error());
}

// Null on a stack for signals, whose addresses say nothing of what has called what.
const void* own_frame(const void* frame) {
  stack_t stack{};
  ::sigaltstack(nullptr, &stack);
  return (stack.ss_flags & SS_ONSTACK) != 0 ? nullptr : frame;
}

void give_back(Call& call) {
  t_asked = call.outer;
  Proxy& proxy = *call.proxy;
  if (&call == &proxy.first) {
    if (proxy.has_ended) give_spare(proxy, false);
    else push(t_idle, proxy);
    return;
  }
  const client::Locked guard(g_spare_lock);
  push(g_spare_calls, call);
}

void leave(Call& call) {
  if (!call.waits_for_signals) return;
  const client::Locked guard(g_waiting_lock);
  call.waits_for_signals = false;
  Call** link = &g_waiting;
  while (*link != &call) link = &(*link)->next_waiting;
  *link = call.next_waiting;
}

void resume(Call& call, Call::After after) {
  call.after = after;
  call.stop = Call::Stop::none;
  ask(*call.proxy, nullptr);
}

// The innermost call, whose frames are gone. What the caller has not received is received here.
void end_left_call(Call::After after) {
  Call& left = *t_asked;
  if (is_stopped(left)) resume(left, after);
  else if (!is_over(left)) interrupt(left, Interrupt::end);
  leave(left);
  if (end_wait(left.answer) != 0) await(left.answered);
  give_back(left);
}

// A handler has left calls by siglongjmp. Who is on its own stack again has left all that handlers
// on the other one had called.
void end_left_calls(const void* frame) {
  while (t_asked != nullptr && frame != nullptr &&
         (t_asked->frame == nullptr || t_asked->frame <= frame))
    end_left_call(Call::After::jump);
}
void end_calls_in(const Call* outer) {
  if (t_asked == outer) return;
  const BlockedSignals blocked;
  while (t_asked != nullptr && t_asked != outer) end_left_call(Call::After::jump);
}

bool is_any_pending(const sigset_t& signals) {
  sigset_t pending, both;
  ::sigpending(&pending);
  ::sigandset(&both, &pending, &signals);
  return ::sigisemptyset(&both) == 0;
}

// Race: a signal is sent to the caller after its last look at what is pending, and before it is in
// the list, so that the sender does not find it there. It looks once more when it is.
void enter(Call& call, const sigset_t& awaited) {
  call.awaited = awaited;
  call.caller = client::self.thread;
  {
    const client::Locked guard(g_waiting_lock);
    call.waits_for_signals = true;
    call.next_waiting = g_waiting;
    g_waiting = &call;
  }
  if (is_any_pending(awaited)) interrupt(call, Interrupt::end);
}

Ticket new_ticket() {
  constexpr unsigned rank_shift = 48;
  return std::uint64_t{client::process.rank} << rank_shift | ++g_last_ticket;
}

void prepare(Call& call, const ForwardedCall& wanted, int cancel_state, int error) {
  call.function = wanted.function;
  ::memcpy(call.arguments, wanted.arguments, sizeof wanted.arguments);
  call.cancel_state = cancel_state;
  call.ticket = new_ticket();
  call.error = error;
  call.raised = 0;
  call.was_cancelled = false;
}

// Handlers run nowhere else, so that one which jumps leaves a call whose answer has been waited for
// and not been received.
int wait_for_answer(Call& call, const sigset_t& mask, bool cancellable) {
  call.answer = begin_wait(call.answered, cancellable);
  BlockedSignals::open(mask);
  client::process.ring.wait(call.answer);
  BlockedSignals::block();
  return end_wait(call.answer);
}

// With all signals blocked but where it waits.
void make(Call& call, const ForwardedCall& wanted, const sigset_t& own_mask) {
  const Ticket interrupted = t_interruptible;
  t_interruptible = call.ticket;
  ask(*call.proxy, &call);
  if (wanted.awaited != nullptr) enter(call, *wanted.awaited);
  const sigset_t& mask = wanted.mask != nullptr ? *wanted.mask : own_mask;
  if (wait_for_answer(call, mask, call.cancel_state == PTHREAD_CANCEL_ENABLE) != 0) {
    interrupt(call, Interrupt::cancel);
    if (wait_for_answer(call, mask, false) != 0)
      refuse("the answer to a forwarded call has been lost");
  }
  t_interruptible = interrupted;
  leave(call);
}

// While a handler runs that has interrupted the call. As natively, the thread may then be cancelled
// if it may be in the call, and at any instruction if the call is a cancellation point, which the
// proxy's C library has shown.
class InHandler {
 public:
  explicit InHandler(const Call& call)
      : is_anywhere_(is_stopped(call) && call.cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS) {
    if (is_anywhere_) ::pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type_);
    ipc::restore_cancel_state(call.cancel_state);
  }
  ~InHandler() {
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    if (is_anywhere_) ::pthread_setcanceltype(type_, nullptr);
  }
  InHandler(const InHandler&) = delete;
  InHandler& operator=(const InHandler&) = delete;

 private:
  const bool is_anywhere_;
  int type_ = PTHREAD_CANCEL_DEFERRED;
};

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
    end_left_calls(frame);
    Call& made = take_call();
    made.frame = frame;
    prepare(made, call, cancel_state, error);
    made.outer = t_asked;
    t_asked = &made;
    make(made, call, blocked.before());
    result = made.result;
    errno = made.error;
    raised = made.raised;
    was_cancelled = made.was_cancelled;
    give_back(made);
    // Pending until the caller's mask is back.
    if (raised != 0) real::pthread_kill(::pthread_self(), raised);
  }
  ipc::restore_cancel_state(cancel_state);
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
  Call* const outer = t_asked;
  Call* const call = interrupted != 0 ? outer : nullptr;
  ++t_noted_signals;
  if (call != nullptr) interrupt(*call, Interrupt::stop);
  {
    std::optional<InHandler> in_handler;
    if (call != nullptr) in_handler.emplace(*call);
    handle(signal, info, context);
  }
  const client::ErrnoKeeper keeper;
  end_calls_in(outer);
  if (call != nullptr && is_stopped(*call)) {
    if (!restarts) call->shall_end = true;
    resume(*call, Call::After::go_on);
  }
  t_interruptible = interrupted;
}

std::uint64_t noted_signals() { return t_noted_signals; }

void wake_signal_wait(std::uint64_t thread, int signal) {
  const BlockedSignals blocked;
  const client::Locked guard(g_waiting_lock);
  for (Call* call = g_waiting; call != nullptr; call = call->next_waiting)
    if ((call->caller == thread || thread == any_thread) &&
        ::sigismember(&call->awaited, signal) == 1)
      interrupt(*call, Interrupt::end, false);
}

void end_proxy() {
  end_served_calls();
  const BlockedSignals blocked;
  while (t_asked != nullptr) end_left_call(Call::After::exit);
  while (Proxy* proxy = pop(t_idle)) {
    ask(*proxy, nullptr);
    give_spare(*proxy, true);
  }
}

}  // namespace gallocy::preload
