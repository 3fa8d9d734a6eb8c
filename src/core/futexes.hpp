// Words that threads wait at by the futex system call, of pages that are homed here. The word is
// never looked at here; the thread does that in user mode, between two requests:
//
//   waiter: 1. asks for the word's sequence   waker: a. stores a new value into the word
//           2. reads the word, and leaves            b. asks for a wake
//              if its value is not the one
//              that it expects
//           3. takes, by that sequence
//
// No wake-up is lost. The store is performed everywhere before the wake is here: a waker stores
// first, stores of one CPU are seen in their order, and its page is its node's alone meanwhile.
//   - The wake comes before 1: then 2 sees the new value.
//   - It comes between 1 and 3: who is in the queue and waits with one of its bits is woken, the
//     oldest first. If they are fewer than the wake is for, the sequence goes on, and 3 returns at
//     once. If they are as many, the thread is as one that has come after them, and waits for
//     another wake.
//   - It comes after 3: the waiter is in the queue.
//
// A waiter that returns without having been meant looks at its word again: that may happen with
// every futex. So words share few sequences, which only grow, and there is no entry for a word at
// which nobody waits; nor for threads between 1 and 3, which may end there without a trace. The
// sequences of two homes are never equal, so a take that has been asked of one returns from the
// other.
//
// Words are apart from the objects of SyncObjects. Who has let another thread go wakes a word that
// may be somebody else's memory by then, with a mutex in it: that must not notice.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "core/outbox.hpp"
#include "core/sync_waiter.hpp"

namespace gallocy::core {

class Futexes {
 public:
  using Queues = std::unordered_map<std::uint64_t, SyncQueue>;  // none is empty

  Futexes(NodeId self, Outbox& outbox);

  // REQUIRES: is_possible(asking.request)
  void on_request(const SyncWaiter& asking);

  // Members are gone, and what they were woken for was perhaps others' to hear. All look again.
  void wake_all();

  void forget_memory(std::uint64_t address, std::uint64_t size_bytes);

  const Queues& queues() const { return queues_; }

 private:
  void take(const SyncWaiter& asking);
  void wake(const SyncWaiter& asking);
  void withdraw(const SyncWaiter& asking);
  std::uint64_t& sequence_of(std::uint64_t address) {
    return sequences_[address / sizeof(std::uint32_t) % sequences_.size()];
  }
  void answer(const SyncWaiter& to, std::int32_t status, std::uint64_t value = 0) {
    outbox_.send(to.from, to.transaction, SyncReply{status, value});
  }

  Outbox& outbox_;
  std::array<std::uint64_t, 256> sequences_;
  Queues queues_;
};

}  // namespace gallocy::core
