#include "core/freed_blocks.hpp"

#include <algorithm>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {

void FreedBlocks::on_freed(const BlockFreed& freed, TimeUs now_us) {
  if (raw(freed.owner) >= max_node_count || !config_.nodes.contains(freed.owner)) return;
  if (!chunks_.contains_address(freed.address)) return;
  if (freed.owner == config_.self) return deliver(freed.address, now_us);
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

bool FreedBlocks::on_message(const BlocksFreed& message, TimeUs now_us) {
  for (const std::uint64_t address : message.addresses)
    if (!chunks_.contains_address(address)) return false;
  for (const std::uint64_t address : message.addresses) deliver(address, now_us);
  return true;
}

void FreedBlocks::deliver(std::uint64_t address, TimeUs now_us) {
  const auto client = chunks_.client_of(chunks_.chunk_with(address));
  if (!client) return;
  Owner& owner = owners_[*client];
  if (owner.due_us == 0) owner.due_us = now_us + order_us;
  owner.blocks.push_back(address);
  outbox_.act(FreedPending{*client, static_cast<std::uint32_t>(owner.blocks.size())});
}

void FreedBlocks::on_take(CallTag tag, const TakeFreedCall& call, TimeUs now_us) {
  Reply reply{tag, 0, {}};
  Owner& owner = owners_[tag.client];
  owner.due_us = now_us + order_us;  // what is left, and to say that it has dealt with these
  auto& blocks = owner.blocks;
  const std::size_t count = std::min<std::size_t>(blocks.size(), reply_value_count - 1);
  reply.values[0] = count;
  taken_count_ += count;
  for (std::size_t i = 0; i < count; ++i) {
    reply.values[i + 1] = blocks.front();
    if (!planted(Bug::freed_block_twice) || i % 2 == 0) blocks.pop_front();
  }
  outbox_.act(FreedPending{tag.client, static_cast<std::uint32_t>(blocks.size())});
  outbox_.act(reply);
  if (count > 0) return;
  if (!owner.must_give || call.has_given_spare) owners_.erase(tag.client);
  else owner.due_us = 0;  // that order is given
}

bool FreedBlocks::send_all() {
  bool sent = false;
  config_.nodes.for_each([&](NodeId node) {
    Batch& batch = batches_[raw(node)];
    if (batch.due_us == 0) return;
    send(node, batch);
    sent = true;
  });
  return sent;
}

void FreedBlocks::order_all() {
  for (const ClientId client : threads_.clients()) {
    threads_.order_to_take(client, OrderKind::give_spare);
    Owner& owner = owners_[client];
    owner.due_us = 0;
    owner.must_give = true;
  }
}

void FreedBlocks::on_time(TimeUs now_us) {
  config_.nodes.for_each([&](NodeId node) {
    Batch& batch = batches_[raw(node)];
    if (batch.due_us != 0 && batch.due_us <= now_us) send(node, batch);
  });
  for (auto& [client, owner] : owners_) {
    if (owner.due_us == 0 || owner.due_us > now_us) continue;
    owner.due_us = 0;
    threads_.order_to_take(client, OrderKind::take_freed);
  }
}

TimeUs FreedBlocks::next_deadline() const {
  TimeUs next_us = 0;
  const auto take = [&](TimeUs due_us) {
    if (due_us != 0 && (next_us == 0 || due_us < next_us)) next_us = due_us;
  };
  config_.nodes.for_each([&](NodeId node) { take(batches_[raw(node)].due_us); });
  for (const auto& [client, owner] : owners_) take(owner.due_us);
  return next_us;
}

}  // namespace gallocy::core
