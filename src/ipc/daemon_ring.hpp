// The daemon's side of one client's ring. The client may write anything into the shared memory
// at any time; what it can reach with that is a request with nonsense in it, never an index, a
// length or a second request in a slot that has one under way.
//
// One thread (the job's reactor) uses an object of this class.
#pragma once

#include <bit>

#include "ipc/ring.hpp"

namespace gallocy::ipc {

// Names a request until it is answered. A stale ticket answers nothing.
struct Ticket {
  std::uint32_t slot = 0;
  std::uint32_t sequence = 0;
};

struct Request {
  Ticket ticket;
  Operation operation{};  // any number: the client's word
  std::uint32_t thread = 0;  // kernel thread id, says the client
  std::uint64_t arguments[argument_count] = {};
};

class DaemonRing {
 public:
  explicit DaemonRing(Ring& ring) : ring_(&ring) {}

  // Calls take(const Request&) for every request that waits, oldest bits not first. Inside the
  // call the request may be answered. Returns how many there were.
  template <class Take>
  unsigned take_ready(Take take) {
    unsigned count = 0;
    for (unsigned word = 0; word < slot_count / 64; ++word)
      for (std::uint64_t bits = take_word(word); bits != 0; bits &= bits - 1) {
        Request request;
        if (!copy_out(word * 64 + static_cast<unsigned>(std::countr_zero(bits)), request))
          continue;
        take(static_cast<const Request&>(request));
        ++count;
      }
    return count;
  }

  // Calls take(FreedBlock) for every block of others that the client has freed.
  template <class Take>
  unsigned take_freed(Take take) {
    if (ring_->freed_count.load(std::memory_order_relaxed) == 0) return 0;
    // Before the look: what is counted later is looked for again.
    ring_->freed_count.store(0);
    unsigned count = 0;
    for (auto& place : ring_->freed) {
      if (place.load() == 0) continue;
      take(FreedBlock::of(place.exchange(0)));
      ++count;
    }
    return count;
  }

  // Wakes the client's thread. False, and nothing happens, if the ticket's request is not the
  // one under way in that slot.
  bool answer(Ticket ticket, std::int32_t status, std::span<const std::uint64_t> values = {});

  // Before the daemon sleeps: from now on clients ring the doorbell. False if a request waits;
  // then the daemon must not sleep (sleep_end has been called already).
  bool sleep_begin();
  void sleep_end();

  // How many blocks wait for take_freed; see Ring::freed_pending.
  void set_freed_pending(std::uint32_t count);

  LockTable& locks() { return ring_->locks; }

  unsigned under_way_count() const { return under_way_count_; }

 private:
  std::uint64_t take_word(unsigned word);
  bool copy_out(unsigned index, Request& request);

  // The daemon's own knowledge of a slot.
  struct SlotState {
    std::uint32_t sequence = 0;  // of the last request taken
    bool under_way = false;      // taken and not answered
  };

  Ring* ring_;
  SlotState slots_[slot_count];
  unsigned under_way_count_ = 0;
};

}  // namespace gallocy::ipc
