#include "client/runtime_thread.hpp"

#include "ipc/futex.hpp"

namespace gallocy::client {

namespace {

constinit std::atomic<std::uint32_t> g_begun = 0;

void* begin(void* function) {
  g_begun.store(1, std::memory_order_release);
  ipc::futex_wake(g_begun, 1);
  reinterpret_cast<void (*)()>(function)();
  return nullptr;
}

}  // namespace

int start_runtime_thread(pthread_t& thread, void (*function)()) {
  g_begun.store(0, std::memory_order_relaxed);
  const int error = ::pthread_create(&thread, nullptr, begin, reinterpret_cast<void*>(function));
  while (error == 0 && g_begun.load(std::memory_order_acquire) == 0) ipc::futex_wait(g_begun, 0);
  return error;
}

}  // namespace gallocy::client
