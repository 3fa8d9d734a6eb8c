#include "core/freed_blocks.hpp"

#include <algorithm>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {

void FreedBlocks::on_freed(const BlockFreed& freed, TimeUs now_us) {
  if (raw(freed.owner) >= max_node_count || !config_.nodes.contains(freed.owner)) return;
  if (!chunks_.contains_address(freed.address)) return;
  if (freed.owner == config_.self) return deliver(freed.address);
  Batch& batch = batches_[raw(freed.owner)];
  if (batch.due_us == 0) batch.due_us = now_us + batch_us;
  batch.message.addresses.push_back(freed.address);
  batch.size_bytes += std::min(freed.size_bytes, max_bytes);
  const bool full = batch.message.addresses.size() >= max_freed_blocks;
  if (full || batch.size_bytes >= max_bytes) send(freed.owner, batch);
}

void FreedBlocks::send(NodeId node, Batch& batch) {
  outbox_.send(node, Transaction{}, std::exchange(batch, Batch{}).message);
}

bool FreedBlocks::on_message(const BlocksFreed& message) {
  for (const std::uint64_t address : message.addresses)
    if (!chunks_.contains_address(address)) return false;
  for (const std::uint64_t address : message.addresses) deliver(address);
  return true;
}

void FreedBlocks::deliver(std::uint64_t address) {
  const auto owner = chunks_.client_of(chunks_.chunk_with(address));
  if (!owner) return;
  auto& blocks = waiting_[*owner];
  blocks.push_back(address);
  outbox_.act(FreedPending{*owner, static_cast<std::uint32_t>(blocks.size())});
}

void FreedBlocks::on_take(CallTag tag) {
  Reply reply{tag, 0, {}};
  auto& blocks = waiting_[tag.client];
  const std::size_t count = std::min<std::size_t>(blocks.size(), reply_value_count - 1);
  reply.values[0] = count;
  for (std::size_t i = 0; i < count; ++i) {
    reply.values[i + 1] = blocks.front();
    if (!planted(Bug::freed_block_twice) || i % 2 == 0) blocks.pop_front();
  }
  outbox_.act(FreedPending{tag.client, static_cast<std::uint32_t>(blocks.size())});
  outbox_.act(reply);
}

void FreedBlocks::on_time(TimeUs now_us) {
  config_.nodes.for_each([&](NodeId node) {
    Batch& batch = batches_[raw(node)];
    if (batch.due_us != 0 && batch.due_us <= now_us) send(node, batch);
  });
}

TimeUs FreedBlocks::next_deadline() const {
  TimeUs next_us = 0;
  config_.nodes.for_each([&](NodeId node) {
    const TimeUs due_us = batches_[raw(node)].due_us;
    if (due_us != 0 && (next_us == 0 || due_us < next_us)) next_us = due_us;
  });
  return next_us;
}

}  // namespace gallocy::core
