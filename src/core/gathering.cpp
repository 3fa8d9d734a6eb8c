#include "core/gathering.hpp"

#include "core/planted.hpp"

namespace gallocy::core {

void Gathering::on_call(CallTag tag) {
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, config_.nodes});
  config_.nodes.for_each([&](NodeId node) { outbox_.send(node, transaction, GatherFreed{}); });
}

bool Gathering::on_request(NodeId from, Transaction transaction, TimeUs now_us) {
  const bool sent = freed_.send_all();
  freed_.order_all();
  requests_.push_back({from, transaction, progress(), sent, now_us + limit_us});
  return true;
}

void Gathering::on_time(TimeUs now_us) {
  if (requests_.empty()) return;
  const bool done = freed_.idle() || planted(Bug::gathered_at_once);
  std::erase_if(requests_, [&](const Request& request) {
    if (!done && request.due_us > now_us) return false;
    const bool again = request.sent || progress() != request.progress_before;
    outbox_.send(request.from, request.transaction, FreedGathered{again});
    return true;
  });
}

TimeUs Gathering::next_deadline() const {
  return requests_.empty() ? 0 : requests_.front().due_us;
}

bool Gathering::on_gathered(NodeId from, Transaction transaction,
                            const FreedGathered& gathered) {
  const auto found = calls_.find(transaction.counter);
  if (found == calls_.end() || !found->second.awaited.contains(from)) return false;
  found->second.awaited.erase(from);
  found->second.again |= gathered.again;
  end_if_all_answered(transaction.counter);
  return true;
}

void Gathering::end_if_all_answered(std::uint64_t counter) {
  const auto found = calls_.find(counter);
  if (!found->second.awaited.empty()) return;
  outbox_.act(Reply{found->second.tag, 0, {found->second.again ? 1u : 0u}});
  calls_.erase(found);
}

void Gathering::begin_epoch(NodeId removed) {
  std::erase_if(requests_, [&](const Request& request) { return request.from == removed; });
  std::vector<std::uint64_t> counters;
  for (auto& [counter, call] : calls_) {
    call.awaited.erase(removed);
    counters.push_back(counter);
  }
  for (const std::uint64_t counter : counters) end_if_all_answered(counter);
}

}  // namespace gallocy::core
