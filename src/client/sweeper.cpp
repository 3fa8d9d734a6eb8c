#include "client/sweeper.hpp"

#include <pthread.h>

#include "client/memory.hpp"
#include "client/process.hpp"
#include "client/runtime_thread.hpp"
#include "ipc/futex.hpp"

namespace gallocy::client {

namespace {

constexpr std::uint32_t end_word = 4;  // beside the bits of Sweep

constinit std::atomic<std::uint32_t> g_ordered = 0;
constinit pthread_t g_sweeper{};

void serve() {
  for (;;) {
    const std::uint32_t ordered = g_ordered.exchange(0, std::memory_order_acquire);
    if (ordered & end_word) return;
    if (ordered == 0) ipc::futex_wait(g_ordered, 0);
    else if (ordered == static_cast<std::uint32_t>(Sweep::freed)) take_back_freed();
    else give_all_unused();
  }
}

void order(std::uint32_t word) {
  g_ordered.fetch_or(word, std::memory_order_release);
  ipc::futex_wake(g_ordered, 1);
}

}  // namespace

void order_sweep(Sweep what) { order(static_cast<std::uint32_t>(what)); }

Status start_sweeper() {
  const int error = start_runtime_thread(g_sweeper, serve);
  if (error != 0)
    return fail(error, "can't start gallocy's thread for freed memory",
                remedy_of_no_process(error));
  return {};
}

void stop_sweeper() {
  order(end_word);
  ::pthread_join(g_sweeper, nullptr);
}

}  // namespace gallocy::client
