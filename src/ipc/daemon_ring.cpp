#include "ipc/daemon_ring.hpp"

#include "ipc/futex.hpp"

namespace gallocy::ipc {

// Most words are empty most of the time: look before the locked exchange.
std::uint64_t DaemonRing::take_word(unsigned word) {
  std::atomic<std::uint64_t>& bits = ring_->ready[word];
  return bits.load(std::memory_order_relaxed) == 0 ? 0 : bits.exchange(0);
}

// Every word is read once, into memory that the client can't reach. A bit without a new
// sequence number, or for a slot whose request is still under way, is a client's error and is
// passed over: an honest client waits for its reply first.
bool DaemonRing::copy_out(unsigned index, Request& request) {
  Slot& slot = ring_->slots[index];
  SlotState& state = slots_[index];
  const std::uint32_t sequence = slot.sequence.load(std::memory_order_acquire);
  if (state.under_way || sequence == state.sequence) return false;
  request.ticket = {index, sequence};
  __atomic_load(&slot.operation, &request.operation, __ATOMIC_RELAXED);
  request.thread = __atomic_load_n(&slot.thread, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < argument_count; ++i)
    request.arguments[i] = __atomic_load_n(&slot.arguments[i], __ATOMIC_RELAXED);
  state = {sequence, true};
  ++under_way_count_;
  return true;
}

bool DaemonRing::answer(Ticket ticket, std::int32_t status,
                        std::span<const std::uint64_t> values) {
  if (ticket.slot >= slot_count || values.size() > value_count) return false;
  SlotState& state = slots_[ticket.slot];
  if (!state.under_way || state.sequence != ticket.sequence) return false;
  state.under_way = false;
  --under_way_count_;
  Slot& slot = ring_->slots[ticket.slot];
  slot.status = status;
  for (unsigned i = 0; i < value_count; ++i)
    slot.values[i] = i < values.size() ? values[i] : 0;
  slot.replied.store(ticket.sequence, std::memory_order_release);
  futex_wake(slot.replied, 1);
  return true;
}

// The other half of ClientRing::publish: a store and a look, both sequentially consistent.
bool DaemonRing::sleep_begin() {
  ring_->daemon_sleeps.store(1);
  std::uint64_t waiting = ring_->freed_count.load();
  for (const auto& word : ring_->ready) waiting |= word.load();
  if (waiting == 0) return true;
  sleep_end();
  return false;
}

void DaemonRing::sleep_end() { ring_->daemon_sleeps.store(0, std::memory_order_relaxed); }

void DaemonRing::set_freed_pending(std::uint32_t count) {
  ring_->freed_pending.store(count, std::memory_order_relaxed);
}

}  // namespace gallocy::ipc
