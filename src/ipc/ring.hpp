// The ring of protocol.hpp: its memory and the client's side. The daemon's side is in
// daemon_ring.hpp. Nothing here allocates.
#pragma once

#include <span>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "ipc/protocol.hpp"

namespace gallocy::ipc {

// The mapping of one ring. The daemon makes it, sealed at its size so that no client can shrink
// it under the daemon; the client maps what it was sent.
class RingMemory {
 public:
  static Result<RingMemory> create();             // daemon
  static Result<RingMemory> map(UniqueFd memory);  // client; the mapping is not inherited by fork

  RingMemory() = default;
  RingMemory(RingMemory&& other) noexcept;
  RingMemory& operator=(RingMemory&& other) noexcept;
  ~RingMemory();

  Ring& ring() const { return *ring_; }

  // Leaves the mapping for the rest of the process's life and closes the descriptor.
  Ring& release();
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  Ring* ring_ = nullptr;
};

// Called now and then while a request waits. True: the daemon is gone.
using LookAround = bool (*)();

struct Reply {
  std::int32_t status = 0;  // 0 or a positive errno
  std::uint64_t values[value_count] = {};
};

// Thread-safe: any number of threads submit at once, each in a slot of its own that it holds
// from claim to reply. A slot belongs to a request and not to a thread, so a thread that ends
// has nothing to give back, and a signal handler that interrupts a request gets another slot.
class ClientRing {
 public:
  ClientRing() = default;
  ClientRing(const ClientRing&) = delete;
  ClientRing& operator=(const ClientRing&) = delete;

  // Before the first submit. The ring and the descriptor must outlive this object.
  void attach(Ring& ring, int doorbell_fd);

  // Who waits at a semaphore or a futex until a signal handler ends that, by EINTR, as those of the
  // kernel: with a limit every handler does, without one those that have no SA_RESTART.
  struct Waiter {
    std::uint64_t thread;
    bool has_limit;
  };

  // Sends one request and waits for its reply, as long as it takes: whoever notices that the
  // daemon has died ends the process. Whoever is to notice that passes `look`, or it would wait
  // for the dead; the reply of a daemon that is gone is ENOTCONN. Not a cancellation point;
  // leaves errno as it was.
  Reply submit(Operation operation, std::span<const std::uint64_t> arguments,
               LookAround look = nullptr, const Waiter* waiter = nullptr);

  template <class... Numbers>
  Reply call(Operation operation, Numbers... numbers) {
    return call(static_cast<const Waiter*>(nullptr), operation, numbers...);
  }
  template <class... Numbers>
  Reply call(const Waiter* waiter, Operation operation, Numbers... numbers) {
    static_assert(sizeof...(numbers) <= argument_count);
    const std::uint64_t arguments[argument_count] = {static_cast<std::uint64_t>(numbers)...};
    return submit(operation, arguments, nullptr, waiter);
  }

  // The same in steps, for who may be taken away from the wait by a signal handler that jumps: what
  // was sent is still received later, once, which waits as well. REQUIRES: the calling thread is
  // not cancelled meanwhile, and in send() and receive() not taken away either.
  struct Sent {
    unsigned index;
    std::uint32_t sequence;
  };
  template <class... Numbers>
  Sent send(Operation operation, Numbers... numbers) {
    static_assert(sizeof...(numbers) <= argument_count);
    const std::uint64_t arguments[argument_count] = {static_cast<std::uint64_t>(numbers)...};
    return put(operation, arguments);
  }
  void wait(Sent sent) { await(sent, nullptr, nullptr); }
  Reply receive(Sent sent) { return take(sent, nullptr, nullptr); }

  // A block of another client has been freed: leaves it to the daemon and does not wait, unless
  // very many are there already. Not a cancellation point; leaves errno as it was.
  void free_elsewhere(FreedBlock block);

  // REQUIRES: attached.
  LockTable& locks() const { return ring_->locks; }

  bool freed_pending() const {
    return ring_->freed_pending.load(std::memory_order_relaxed) != 0;
  }

 private:
  bool try_claim(unsigned& index);
  unsigned claim();
  void release(unsigned index);
  void publish(unsigned index);
  bool put_freed(std::uint64_t word);
  void ring_if_asleep();
  Sent put(Operation operation, std::span<const std::uint64_t> arguments);
  bool await(Sent sent, LookAround look, const Waiter* waiter);
  Reply take(Sent sent, LookAround look, const Waiter* waiter);
  bool spin(const Slot& slot, std::uint32_t sequence) const;

  Ring* ring_ = nullptr;
  int doorbell_fd_ = -1;
  bool may_spin_ = false;
  // The client's own: bit set = slot in use. Not in shared memory, the daemon has no say in it.
  std::atomic<std::uint64_t> claimed_[slot_count / 64] = {};
  std::atomic<std::uint32_t> releases_ = 0;  // futex of threads that found every slot in use
  std::atomic<std::uint32_t> starved_ = 0;   // how many such threads there are
};

}  // namespace gallocy::ipc
