#include "core/futexes.hpp"

#include <cerrno>

namespace gallocy::core {

Futexes::Futexes(NodeId self, Outbox& outbox) : outbox_(outbox) {
  sequences_.fill(std::uint64_t{raw(self)} << 56);
}

void Futexes::on_request(const SyncWaiter& asking) {
  switch (asking.request.operation) {
    case SyncOperation::value:
      return answer(asking, 0, sequence_of(asking.request.address));
    case SyncOperation::take:
      return take(asking);
    case SyncOperation::give:
      return wake(asking);
    default:
      return withdraw(asking);
  }
}

void Futexes::take(const SyncWaiter& asking) {
  const SyncRequest& request = asking.request;
  if (request.argument != sequence_of(request.address)) return answer(asking, 0);
  queues_[request.address].push_back(asking);
}

// Who has waited longest is told first, and then the waker how many there were.
void Futexes::wake(const SyncWaiter& asking) {
  const SyncRequest& request = asking.request;
  const auto found = queues_.find(request.address);
  std::uint64_t woken = 0;
  if (found != queues_.end()) {
    std::erase_if(found->second, [&](const SyncWaiter& one) {
      const bool is_meant = (one.request.bits & request.bits) != 0;
      if (woken == request.argument || !(is_meant || planted(Bug::wake_ignores_bits)))
        return false;
      answer(one, 0);
      ++woken;
      return true;
    });
    if (found->second.empty()) queues_.erase(found);
  }
  const bool last_found_asleep = planted(Bug::wake_counts_the_queue_only) && woken > 0;
  if (woken < request.argument && !last_found_asleep && !planted(Bug::wake_of_nobody_lost))
    ++sequence_of(request.address);
  answer(asking, 0, woken);
}

// Answered only if the take waits still.
void Futexes::withdraw(const SyncWaiter& asking) {
  const auto found = queues_.find(asking.request.address);
  if (found == queues_.end()) return;
  const auto waiter = take_waiter(found->second, asking.from, asking.transaction);
  if (found->second.empty()) queues_.erase(found);
  if (waiter) answer(*waiter, static_cast<std::int32_t>(asking.request.argument));
}

void Futexes::wake_all() {
  for (std::uint64_t& sequence : sequences_) ++sequence;
  for (const auto& [address, queue] : queues_)
    for (const SyncWaiter& one : queue) answer(one, 0);
  queues_.clear();
}

void Futexes::forget_memory(std::uint64_t address, std::uint64_t size_bytes) {
  std::erase_if(queues_, [&](const auto& item) {
    if (item.first - address >= size_bytes) return false;
    for (const SyncWaiter& one : item.second) answer(one, EINVAL);
    return true;
  });
}

}  // namespace gallocy::core
