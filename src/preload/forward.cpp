#include "preload/forward.hpp"

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "gallocy/gallocy.h"
#include "ipc/no_cancellation.hpp"
#include "preload/threads.hpp"

namespace gallocy::preload {

namespace {

struct Proxy {  // in the region, of one thread and of its proxy
  sem_t asked, answered;
  AnyFunction* function;  // nullptr: the proxy ends
  long arguments[6];
  long result;
  int error;
};

constinit std::uint32_t g_first_node = 0;
thread_local constinit Proxy* t_proxy = nullptr;

void call(Proxy& proxy) {
  const long* a = proxy.arguments;
  errno = proxy.error;
  proxy.result = proxy.function(a[0], a[1], a[2], a[3], a[4], a[5]);
  proxy.error = errno;
}

void* serve(void* given) {
  auto& proxy = *static_cast<Proxy*>(given);
  for (;;) {
    if (gallocy_sem_wait(&proxy.asked) != 0 || proxy.function == nullptr) break;
    call(proxy);
    gallocy_sem_post(&proxy.answered);
  }
  gallocy_sem_destroy(&proxy.asked);
  gallocy_sem_destroy(&proxy.answered);
  gallocy_free(&proxy);
  return nullptr;
}

Proxy& own_proxy() {
  if (t_proxy != nullptr) return *t_proxy;
  auto* proxy = static_cast<Proxy*>(gallocy_calloc(1, sizeof(Proxy)));
  if (proxy == nullptr || gallocy_sem_init(&proxy->asked, 0, 0) != 0 ||
      gallocy_sem_init(&proxy->answered, 0, 0) != 0 ||
      start_thread(static_cast<int>(g_first_node), nullptr, serve, proxy) != 0)
    refuse(gallocy_last_error());
  t_proxy = proxy;
  return *proxy;
}

struct CallOnNode {
  AnyFunction* function;
  long a, b, c;
};

void* call_there(void* given) {
  const auto& call = *static_cast<const CallOnNode*>(given);
  call.function(call.a, call.b, call.c, 0, 0, 0);
  return nullptr;
}

}  // namespace

void set_first_node(std::uint32_t node) { g_first_node = node; }

// Not a cancellation point: the proxy's call could not be withdrawn.
long call_on_first(AnyFunction* function, long a, long b, long c, long d, long e, long f) {
  const ipc::NoCancellation guard;
  Proxy& proxy = own_proxy();
  proxy.function = function;
  const long arguments[] = {a, b, c, d, e, f};
  ::memcpy(proxy.arguments, arguments, sizeof arguments);
  proxy.error = errno;
  if (gallocy_sem_post(&proxy.asked) != 0 || gallocy_sem_wait(&proxy.answered) != 0)
    refuse(gallocy_last_error());
  errno = proxy.error;
  return proxy.result;
}

void call_on_all(AnyFunction* function, long a, long b, long c) {
  const ipc::NoCancellation guard;
  auto* call = static_cast<CallOnNode*>(gallocy_malloc(sizeof(CallOnNode)));
  if (call == nullptr) refuse(gallocy_last_error());
  *call = {function, a, b, c};
  for (std::uint32_t node = 0; node < client::process.node_count; ++node) {
    pthread_t thread{};
    if (start_thread(static_cast<int>(node), &thread, call_there, call) != 0 ||
        gallocy_pthread_join(thread, nullptr) != 0)
      refuse(gallocy_last_error());
  }
  gallocy_free(call);
}

void end_proxy() {
  if (t_proxy == nullptr) return;
  t_proxy->function = nullptr;
  gallocy_sem_post(&t_proxy->asked);
  t_proxy = nullptr;
}

}  // namespace gallocy::preload
