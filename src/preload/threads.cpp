// pthread_create and what else is about threads. A thread's number is the job's, not the C
// library's: the same on every node.
#include "preload/threads.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "client/memory.hpp"
#include "client/running.hpp"
#include "client/sync.hpp"
#include "client/threads.hpp"
#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/c11.hpp"
#include "preload/forward.hpp"
#include "preload/pages.hpp"
#include "preload/real.hpp"
#include "preload/stacks.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_create)
GALLOCY_REAL(pthread_join)
GALLOCY_REAL(pthread_tryjoin_np)
GALLOCY_REAL(pthread_timedjoin_np)
GALLOCY_REAL(pthread_clockjoin_np)
GALLOCY_REAL(pthread_detach)
GALLOCY_REAL(pthread_cancel)
GALLOCY_REAL(pthread_self)
GALLOCY_REAL(pthread_kill)
GALLOCY_REAL(pthread_sigqueue)
GALLOCY_REAL(pthread_getattr_np)
GALLOCY_REAL(pthread_setname_np)
GALLOCY_REAL(pthread_getname_np)
GALLOCY_REAL(pthread_setaffinity_np)
GALLOCY_REAL(pthread_getaffinity_np)
GALLOCY_REAL(pthread_setschedparam)
GALLOCY_REAL(pthread_getschedparam)
GALLOCY_REAL(pthread_setschedprio)
GALLOCY_REAL(pthread_setattr_default_np)
GALLOCY_REAL(pthread_getcpuclockid)

using namespace gallocy;
using namespace gallocy::preload;
using client::self;

namespace {

constinit std::atomic<std::size_t> g_default_stack_bytes = 0;  // 0: as `ulimit -s` has it
constinit std::atomic<std::size_t> g_default_guard_bytes = page_bytes;

// What a thread natively has of who makes it. CPUs only where those differ from the process's: the
// machine of another node may have others.
void inherit(ThreadStart& start) {
  ::pthread_sigmask(SIG_SETMASK, nullptr, &start.mask);
  start.modes = floating_modes();
  ::prctl(PR_GET_NAME, start.name);
  cpu_set_t usual;
  start.has_cpus =
      ::sched_getaffinity(0, sizeof start.cpus, &start.cpus) == 0 &&
      real::pthread_getaffinity_np(client::process.agent, sizeof usual, &usual) == 0 &&
      !CPU_EQUAL(&start.cpus, &usual);
}

using Create = int(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                   void* argument, int node);

int start(Create* create, int node, pthread_t* thread, const ThreadStart& start) {
  auto* shared = static_cast<ThreadStart*>(client::runtime_block(sizeof start));
  if (shared == nullptr) return EAGAIN;
  *shared = start;
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (start.is_detached) ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t made{};
  const int error = create(&made, &attributes, run_thread, shared, node);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return gallocy_free(shared), error;
  if (thread != nullptr) *thread = made;
  return 0;
}

// glibc gives all CPUs for an attribute that names none.
void name_cpus(const pthread_attr_t* attributes, ThreadStart& start) {
  cpu_set_t cpus;
  if (::pthread_attr_getaffinity_np(attributes, sizeof cpus, &cpus) != 0) return;
  if (CPU_COUNT(&cpus) == CPU_SETSIZE) return;
  start.cpus = cpus;
  start.has_cpus = true;
}

constinit std::atomic<bool> g_said_no_policies = false;

void say_no_policies() {
  if (g_said_no_policies.exchange(true)) return;
  const client::ErrnoKeeper keeper;
  client::say(Sentence("gallocy: the scheduling policy and priority in a thread's attributes are "
                       "ignored: pthread_setschedparam works\n"));
}

bool names_policy(const pthread_attr_t* attributes) {
  int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;
  ::pthread_attr_getinheritsched(attributes, &inherit);
  ::pthread_attr_getschedpolicy(attributes, &policy);
  return inherit == PTHREAD_EXPLICIT_SCHED && policy != SCHED_OTHER;
}

ThreadStart wanted_by(const pthread_attr_t* attributes) {
  ThreadStart wanted{};
  inherit(wanted);
  wanted.stack_bytes = g_default_stack_bytes.load(std::memory_order_relaxed);
  wanted.guard_bytes = g_default_guard_bytes.load(std::memory_order_relaxed);
  if (attributes == nullptr) return wanted;
  int state = PTHREAD_CREATE_JOINABLE;
  ::pthread_attr_getdetachstate(attributes, &state);
  wanted.is_detached = state == PTHREAD_CREATE_DETACHED;
  void* stack = nullptr;
  std::size_t stack_bytes = 0;
  ::pthread_attr_getstack(attributes, &stack, &stack_bytes);
  if (stack_bytes != 0) wanted.stack_bytes = stack_bytes;
  // With no stack set, glibc's address is that of a stack which ends at 0.
  if (heap::address_of(stack) + stack_bytes != 0) wanted.own_stack = stack;
  ::pthread_attr_getguardsize(attributes, &wanted.guard_bytes);
  wanted.guard_bytes = page_up(wanted.guard_bytes);
  sigset_t mask;
  if (::pthread_attr_getsigmask_np(attributes, &mask) == 0) wanted.mask = mask;
  name_cpus(attributes, wanted);
  if (names_policy(attributes)) say_no_policies();
  return wanted;
}

struct CallAbout {  // on the caller's stack, which is shared
  ThreadStart start{};  // what the stack of the thread that makes it is chosen by
  pthread_t thread{};
  AnyFunction* function = nullptr;
  long a = 0, b = 0, c = 0;
  bool found = false;
  int result = 0;
};

// The number that main() will have, of rank 0's first thread; if it is on node 0, as it mostly is.
constexpr pthread_t early_self = 1;

pthread_t real_early(pthread_t thread) {
  return is_early() && thread == early_self ? real::pthread_self() : thread;
}

// A signal that is sent to the thread is the call's first argument.
int call_about(pthread_t real_thread, const CallAbout& call) {
  const auto error = static_cast<int>(
      call.function(static_cast<long>(real_thread), call.a, call.b, call.c, 0, 0));
  const bool sends = call.function == real::pthread_kill.any() ||
                     call.function == real::pthread_sigqueue.any();
  if (sends && error == 0) wake_signal_wait(call.thread, static_cast<int>(call.a));
  return error;
}

void* call_there(void* given) {
  auto& call = *static_cast<CallAbout*>(given);
  pthread_t real_thread{};
  call.found = client::find_thread(call.thread, real_thread);
  if (call.found) call.result = call_about(real_thread, call);
  return nullptr;
}

// For calls about a thread that only its own node can make; by a thread there, on each node until
// it is found. The program's threads mostly mean themselves. `unknown` is the answer about a thread
// that has ended, if somebody may still join it.
int for_thread(pthread_t thread, AnyFunction* function, long a, long b, long c,
               int unknown = ESRCH) {
  CallAbout call{{}, thread, function, a, b, c};
  if (!is_application()) return call_about(real_early(thread), call);
  if (thread == self.thread) return call_about(real::pthread_self(), call);
  pthread_t real_thread{};
  if (client::find_thread(thread, real_thread)) return call_about(real_thread, call);
  const ipc::NoCancellation guard;
  for (std::uint32_t node = 0; node < client::process.node_count; ++node) {
    if (node == client::process.node) continue;
    pthread_t caller{};
    if (client::create_runtime_thread(&caller, nullptr, call_there, &call,
                                      static_cast<int>(node)) != 0)
      return EAGAIN;
    gallocy_pthread_join(caller, nullptr);
    if (call.found) return call.result;
  }
  return unknown;
}

int join_until(pthread_t thread, void** result, clockid_t clock, const timespec* until) {
  if (until == nullptr) return gallocy_pthread_join(thread, result);
  const auto left_us = client::time_left_us(clock, until);
  return left_us ? client::join_thread(thread, result, *left_us) : left_us.error().code;
}

constinit const char* g_early_starter = "a library";

void note_early_thread(const void* caller) {
  Dl_info object{};
  if (::dladdr(caller, &object) != 0 && object.dli_fname != nullptr)
    g_early_starter = object.dli_fname;
}

}  // namespace

const char* preload::early_thread_starter() { return g_early_starter; }

int preload::start_runtime_thread(int node, pthread_t* thread, void* (*function)(void*),
                                  void* argument) {
  ThreadStart wanted{};
  inherit(wanted);
  wanted.has_cpus = false;
  wanted.guard_bytes = page_bytes;
  wanted.function = function;
  wanted.argument = argument;
  wanted.is_detached = thread == nullptr;
  return start(client::create_runtime_thread, node, thread, wanted);
}

GALLOCY_TAKES int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                 void* (*function)(void*), void* argument) noexcept {
  if (is_early()) note_early_thread(__builtin_return_address(0));
  if (!is_application()) return real::pthread_create(thread, attributes, function, argument);
  ThreadStart wanted = wanted_by(attributes);
  wanted.function = function;
  wanted.argument = argument;
  return start(gallocy_pthread_create_on, GALLOCY_ANY_NODE, thread, wanted);
}

GALLOCY_TAKES int pthread_join(pthread_t thread, void** result) {
  return is_application() ? gallocy_pthread_join(thread, result)
                          : real::pthread_join(real_early(thread), result);
}

GALLOCY_TAKES int pthread_detach(pthread_t thread) noexcept {
  if (!is_application()) return real::pthread_detach(real_early(thread));
  const int error = gallocy_pthread_detach(thread);
  if (error == 0 && thread == self.thread) is_detached = true;
  return error;
}

GALLOCY_TAKES int pthread_cancel(pthread_t thread) {
  return is_application() ? gallocy_pthread_cancel(thread)
                          : real::pthread_cancel(real_early(thread));
}

GALLOCY_TAKES pthread_t pthread_self() noexcept {
  if (is_application()) return self.thread;
  return is_early() ? early_self : real::pthread_self();
}

GALLOCY_TAKES int pthread_kill(pthread_t thread, int signal) noexcept {
  return for_thread(thread, real::pthread_kill.any(), signal, 0, 0, 0);
}

GALLOCY_TAKES int pthread_sigqueue(pthread_t thread, int signal, const sigval value) noexcept {
  return for_thread(thread, real::pthread_sigqueue.any(), signal, (long)(value.sival_ptr), 0);
}

namespace {

// To the C library the stack is one that it was given, without a guard.
long attributes_of(long real_thread, long given, long, long, long, long) {
  auto* attributes = reinterpret_cast<pthread_attr_t*>(given);
  void* stack = nullptr;
  std::size_t stack_bytes = 0;
  const int error = real::pthread_getattr_np(static_cast<pthread_t>(real_thread), attributes);
  if (error != 0) return error;
  ::pthread_attr_getstack(attributes, &stack, &stack_bytes);
  const StackSizes asked = sizes_of_stack(stack);
  ::pthread_attr_setguardsize(attributes, asked.guard_bytes);
  if (asked.stack_bytes != 0 && asked.stack_bytes < stack_bytes)
    ::pthread_attr_setstack(attributes,
                            static_cast<std::byte*>(stack) + stack_bytes - asked.stack_bytes,
                            asked.stack_bytes);
  return 0;
}

}  // namespace

GALLOCY_TAKES int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) noexcept {
  const int error = for_thread(thread, attributes_of, (long)(attributes), 0, 0);
  if (error == 0 && thread == self.thread && is_detached)
    ::pthread_attr_setdetachstate(attributes, PTHREAD_CREATE_DETACHED);
  return error;
}

GALLOCY_TAKES int pthread_setname_np(pthread_t thread, const char* name) noexcept {
  return for_thread(thread, real::pthread_setname_np.any(), (long)(name), 0, 0);
}

GALLOCY_TAKES int pthread_getname_np(pthread_t thread, char* name, size_t size) noexcept {
  return for_thread(thread, real::pthread_getname_np.any(), (long)(name), (long)(size), 0);
}

GALLOCY_TAKES int pthread_setaffinity_np(pthread_t thread, size_t size,
                                         const cpu_set_t* cpus) noexcept {
  return for_thread(thread, real::pthread_setaffinity_np.any(), (long)(size), (long)(cpus), 0);
}

GALLOCY_TAKES int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t* cpus) noexcept {
  return for_thread(thread, real::pthread_getaffinity_np.any(), (long)(size), (long)(cpus), 0);
}

GALLOCY_TAKES int pthread_setschedparam(pthread_t thread, int policy,
                                        const sched_param* parameters) noexcept {
  return for_thread(thread, real::pthread_setschedparam.any(), policy, (long)(parameters), 0);
}

GALLOCY_TAKES int pthread_getschedparam(pthread_t thread, int* policy,
                                        sched_param* parameters) noexcept {
  return for_thread(thread, real::pthread_getschedparam.any(), (long)(policy), (long)(parameters),
                    0);
}

GALLOCY_TAKES int pthread_setschedprio(pthread_t thread, int priority) noexcept {
  return for_thread(thread, real::pthread_setschedprio.any(), priority, 0, 0);
}

namespace {

long set_default(long given, long, long, long, long, long) {
  const auto* attributes = reinterpret_cast<const pthread_attr_t*>(given);
  const int error = real::pthread_setattr_default_np(attributes);
  std::size_t stack_bytes = 0;
  std::size_t guard_bytes = 0;
  if (error != 0 || ::pthread_attr_getstacksize(attributes, &stack_bytes) != 0) return error;
  ::pthread_attr_getguardsize(attributes, &guard_bytes);
  g_default_stack_bytes.store(stack_bytes, std::memory_order_relaxed);
  g_default_guard_bytes.store(page_up(guard_bytes), std::memory_order_relaxed);
  return 0;
}

}  // namespace

std::size_t preload::default_stack_bytes() { return g_default_stack_bytes; }
void preload::set_default_stack_bytes(std::size_t size_bytes) {
  g_default_stack_bytes = size_bytes;
}

// Of all nodes, since each makes threads.
GALLOCY_TAKES int pthread_setattr_default_np(const pthread_attr_t* attributes) noexcept {
  const long given = reinterpret_cast<long>(attributes);
  const int error = static_cast<int>(set_default(given, 0, 0, 0, 0, 0));
  if (error == 0 && is_application()) call_on_all(set_default, given, 0, 0);
  return error;
}

GALLOCY_TAKES int pthread_getcpuclockid(pthread_t thread, clockid_t* clock) noexcept {
  pthread_t real_thread{};
  if (!is_application()) return real::pthread_getcpuclockid(real_early(thread), clock);
  if (thread == self.thread) return real::pthread_getcpuclockid(real::pthread_self(), clock);
  if (client::find_thread(thread, real_thread))
    return real::pthread_getcpuclockid(real_thread, clock);
  refuse("the CPU clock of a thread that runs on another node is not supported");
}

// Unlike the other joins, no cancellation point.
GALLOCY_TAKES int pthread_tryjoin_np(pthread_t thread, void** result) noexcept {
  if (!is_application()) return real::pthread_tryjoin_np(real_early(thread), result);
  const ipc::NoCancellation guard;
  const int error = client::join_thread(thread, result, 0);
  const bool runs = error == ETIMEDOUT || thread == self.thread;
  return runs ? EBUSY : error;
}

// What an int function returns is the low half of what the thread returns.
GALLOCY_TAKES int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  const auto any = reinterpret_cast<void (*)()>(function);
  return as_c11(
      ::pthread_create(thread, nullptr, reinterpret_cast<void* (*)(void*)>(any), argument));
}

GALLOCY_TAKES int thrd_join(thrd_t thread, int* result) {
  void* value = nullptr;
  const int error = ::pthread_join(thread, &value);
  if (error == 0 && result != nullptr)
    *result = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
  return as_c11(error);
}

GALLOCY_TAKES int thrd_detach(thrd_t thread) { return as_c11(::pthread_detach(thread)); }
GALLOCY_TAKES thrd_t thrd_current() { return ::pthread_self(); }

GALLOCY_TAKES int pthread_timedjoin_np(pthread_t thread, void** result, const timespec* until) {
  if (!is_application()) return real::pthread_timedjoin_np(real_early(thread), result, until);
  return join_until(thread, result, CLOCK_REALTIME, until);
}

GALLOCY_TAKES int pthread_clockjoin_np(pthread_t thread, void** result, clockid_t clock,
                                       const timespec* until) {
  if (!is_application())
    return real::pthread_clockjoin_np(real_early(thread), result, clock, until);
  return join_until(thread, result, clock, until);
}

// What the rooms below call.
extern "C" {
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument) {
  return real::pthread_create(thread, attributes, function, argument);
}
int __wrap_pthread_join(pthread_t thread, void** result) {
  return real::pthread_join(thread, result);
}
int __wrap_pthread_tryjoin_np(pthread_t thread, void** result) {
  return real::pthread_tryjoin_np(real_early(thread), result);
}
int __wrap_pthread_cancel(pthread_t thread) { return real::pthread_cancel(thread); }
pthread_t __wrap_pthread_self() { return real::pthread_self(); }
}
