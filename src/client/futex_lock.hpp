// The one lock of the client library: no pthread mutex, because the application's pthread calls
// may be ours one day. 0 free, 1 held, 2 held and somebody may sleep.
#pragma once

#include "ipc/futex.hpp"
#include "ipc/no_cancellation.hpp"

namespace gallocy::client {

// How many of them the calling thread has: a signal handler must not wait for others meanwhile.
extern thread_local constinit unsigned held_locks;

class FutexLock {
 public:
  void lock() {
    std::uint32_t expected = 0;
    if (!word_.compare_exchange_strong(expected, 1, std::memory_order_acquire))
      while (word_.exchange(2, std::memory_order_acquire) != 0) ipc::futex_wait(word_, 2);
    ++held_locks;
  }
  void unlock() {
    if (word_.exchange(0, std::memory_order_release) == 2) ipc::futex_wake(word_, 1);
    --held_locks;
  }

 private:
  std::atomic<std::uint32_t> word_ = 0;
};

// A holder must not be cancelled either.
class Locked {
 public:
  explicit Locked(FutexLock& lock) : lock_(lock) { lock_.lock(); }
  ~Locked() { lock_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  ipc::NoCancellation guard_;
  FutexLock& lock_;
};

}  // namespace gallocy::client
