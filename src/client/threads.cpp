// gallocy_pthread_create, join, detach, cancel, exit, self, equal.
#include "client/cancellation.hpp"
#include "client/process.hpp"
#include "client/threads.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

// glibc gives all CPUs for an attribute that names none.
bool names_cpus(const pthread_attr_t* attr) {
  cpu_set_t cpus;
  return ::pthread_attr_getaffinity_np(attr, sizeof cpus, &cpus) != 0 ||
         CPU_COUNT(&cpus) != CPU_SETSIZE;
}

bool names_signals(const pthread_attr_t* attr) {
  sigset_t mask;
  return ::pthread_attr_getsigmask_np(attr, &mask) != PTHREAD_ATTR_NO_SIGMASK_NP;
}

// The default sizes are read from a fresh object: pthread_getattr_default_np would allocate.
Status check_sizes(const pthread_attr_t* attr) {
  std::size_t stack_bytes = 0, guard_bytes = 0, default_bytes = 0, default_guard_bytes = 0;
  pthread_attr_t fresh;
  ::pthread_attr_init(&fresh);
  ::pthread_attr_getstacksize(&fresh, &default_bytes);
  ::pthread_attr_getguardsize(&fresh, &default_guard_bytes);
  ::pthread_attr_destroy(&fresh);
  ::pthread_attr_getstacksize(attr, &stack_bytes);
  ::pthread_attr_getguardsize(attr, &guard_bytes);
  if (stack_bytes > default_bytes)
    return fail(ENOTSUP, "gallocy threads have stacks of the default size (", default_bytes,
                " bytes): raise it with `ulimit -s`");
  if (guard_bytes != default_guard_bytes)
    return fail(ENOTSUP, "gallocy threads have guards of the default size (", default_guard_bytes,
                " bytes) below their stacks");
  return {};
}

// What an attribute object may ask for.
Status check_attributes(const pthread_attr_t* attr) {
  int inherit = 0;
  std::size_t stack_bytes = 0;
  void* stack = nullptr;
  ::pthread_attr_getinheritsched(attr, &inherit);
  ::pthread_attr_getstack(attr, &stack, &stack_bytes);
  if (inherit == PTHREAD_EXPLICIT_SCHED)
    return fail(ENOTSUP, "gallocy threads can't be made with a scheduling policy");
  // With no stack set, glibc's address is that of a stack which ends at 0.
  if (heap::address_of(stack) + stack_bytes != 0)
    return fail(ENOTSUP, "gallocy threads can't be given a stack: they may run on another node");
  if (names_cpus(attr))
    return fail(ENOTSUP, "gallocy threads can't be made with CPUs to run on: they may run on "
                "another node; call pthread_setaffinity_np in the thread");
  if (names_signals(attr))
    return fail(ENOTSUP, "gallocy threads can't be made with a signal mask: call pthread_sigmask "
                "in the thread");
  return check_sizes(attr);
}

bool is_detached(const pthread_attr_t* attr) {
  int state = PTHREAD_CREATE_JOINABLE;
  if (attr != nullptr) ::pthread_attr_getdetachstate(attr, &state);
  return state == PTHREAD_CREATE_DETACHED;
}

Error create_error(int code, std::uint64_t node) {
  if (code == EINVAL && node != ipc::any_node)
    return {code, Sentence("there is no node ", node, " in this job")};
  if (code == EAGAIN) return {code, Sentence("the chosen rank can't start one more thread")};
  return {code, Sentence("the thread could not be started: error ", code)};
}

int create(pthread_t* thread, const pthread_attr_t* attr, void* (*function)(void*),
           void* argument, std::uint64_t node, bool of_runtime) {
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) return report(status);
  if (thread == nullptr || function == nullptr)
    return report(Error{EINVAL, Sentence("a thread needs a place for its id and a function")});
  if (attr != nullptr)
    if (auto status = check_attributes(attr); !status) return report(status);
  const ipc::Reply reply =
      process.ring.call(ipc::Operation::thread_create, reinterpret_cast<std::uint64_t>(function),
                        heap::address_of(argument), node, is_detached(attr), of_runtime);
  if (reply.status != 0) return report(create_error(reply.status, node));
  *thread = reply.values[0];
  return 0;
}

Error join_error(int code) {
  switch (code) {
    case ESRCH: return {code, Sentence("there is no such thread, or it has been joined already")};
    case EINVAL:
      return {code, Sentence("the thread is detached, or another thread is joining it already")};
    case EDEADLK: return {code, Sentence("the threads would wait for each other's end")};
    default: return {code, Sentence("the thread could not be joined: error ", code)};
  }
}

Status control(pthread_t thread, ThreadOperation operation) {
  if (auto status = require_member(); !status) return status;
  const ipc::Reply reply = process.ring.call(ipc::Operation::thread_control, thread, operation);
  switch (reply.status) {
    case 0: return {};
    case ESRCH: return fail(ESRCH, "there is no such thread, or it has been joined already");
    case EINVAL: return fail(EINVAL, "the thread is detached already, or is being joined");
    default: return fail(reply.status, "the daemon refused");
  }
}

}  // namespace

int gallocy_pthread_create(pthread_t* thread, const pthread_attr_t* attr,
                           void* (*function)(void*), void* argument) {
  return create(thread, attr, function, argument, ipc::any_node, false);
}

int gallocy_pthread_create_on(pthread_t* thread, const pthread_attr_t* attr,
                              void* (*function)(void*), void* argument, int node) {
  if (node < GALLOCY_ANY_NODE)
    return report(Error{EINVAL, Sentence("there is no node ", node, " in this job")});
  return create(thread, attr, function, argument,
                node == GALLOCY_ANY_NODE ? ipc::any_node : static_cast<std::uint64_t>(node),
                false);
}

int client::create_runtime_thread(pthread_t* thread, const pthread_attr_t* attr,
                                  void* (*function)(void*), void* argument, int node) {
  return create(thread, attr, function, argument, static_cast<std::uint64_t>(node), true);
}

int client::join_thread(pthread_t thread, void** result, std::uint64_t timeout_us) {
  const ErrnoKeeper keeper;
  if (auto status = require_thread(); !status) return report(status);
  if (thread == self.thread) return report(join_error(EDEADLK));
  const ipc::Reply reply =
      wait_cancellably(ipc::Operation::thread_join, thread, self.thread, timeout_us);
  if (reply.status == ETIMEDOUT) return ETIMEDOUT;
  if (reply.status != 0) return report(join_error(reply.status));
  if (result != nullptr) *result = reinterpret_cast<void*>(reply.values[0]);
  return 0;
}

int gallocy_pthread_join(pthread_t thread, void** result) {
  return join_thread(thread, result, no_timeout);
}

pthread_t gallocy_pthread_self() { return self.thread; }

int gallocy_pthread_equal(pthread_t first, pthread_t second) { return first == second; }

int gallocy_pthread_detach(pthread_t thread) {
  const ErrnoKeeper keeper;
  return report(control(thread, ThreadOperation::detach));
}

int gallocy_pthread_cancel(pthread_t thread) {
  const ErrnoKeeper keeper;
  return report(control(thread, ThreadOperation::cancel));
}

void gallocy_pthread_exit(void* result) { ::pthread_exit(result); }
