#include "core/chunk_map.hpp"

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"

namespace gallocy::core {

ChunkMap::ChunkMap(const Config& config, std::uint64_t page_count, Outbox& outbox)
    : config_(config), outbox_(outbox),
      chunk_count_(static_cast<std::uint32_t>(page_count / pages_per_chunk)) {}

NodeId ChunkMap::home_of(ChunkNo chunk) const {
  const auto found = homes_.find(chunk);
  return found == homes_.end() ? no_node : found->second;
}

void ChunkMap::ask_home(ChunkNo chunk, WaitsForHome waiting) {
  auto& list = asked_[chunk];
  list.push_back(std::move(waiting));
  if (list.size() == 1)
    outbox_.send(coordinator(), outbox_.new_transaction(), ChunkQuery{chunk});
}

void ChunkMap::on_call(CallTag tag, const ChunksCall& call) {
  if (call.count == 0 || call.count > chunk_count_) {
    outbox_.act(Reply{tag, call.count == 0 ? EINVAL : ENOMEM, {}});
    return;
  }
  if (call.count <= pool_count_) {
    hand_out(tag, call.count);
    return;
  }
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, call.count});
  outbox_.send(coordinator(), transaction,
               ChunkRequest{std::max(call.count, config_.chunk_batch)});
}

void ChunkMap::hand_out(CallTag tag, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) clients_[ChunkNo{pool_first_ + i}] = tag.client;
  const std::uint64_t address = config_.region_address + pool_first_ * chunk_bytes;
  pool_first_ += count;
  pool_count_ -= count;
  outbox_.act(Reply{tag, 0, {address}});
}

std::optional<ClientId> ChunkMap::client_of(ChunkNo chunk) const {
  const auto found = clients_.find(chunk);
  if (found == clients_.end()) return std::nullopt;
  return found->second;
}

bool ChunkMap::on_request(NodeId from, Transaction transaction, const ChunkRequest& request) {
  if (config_.self != coordinator() || request.count == 0) return false;
  const std::uint32_t count = std::min(request.count, chunk_count_ - fresh_);
  for (std::uint32_t i = 0; i < count; ++i) homes_[ChunkNo{fresh_ + i}] = from;
  outbox_.send(from, transaction, ChunkGrant{ChunkNo{fresh_}, count});
  fresh_ += count;
  return true;
}

bool ChunkMap::on_grant(NodeId from, Transaction transaction, const ChunkGrant& grant) {
  const auto found = calls_.find(transaction.counter);
  const std::uint64_t end = std::uint64_t{raw(grant.first)} + grant.count;
  if (from != coordinator() || found == calls_.end() || end > chunk_count_) return false;
  const Call call = found->second;
  calls_.erase(found);
  for (std::uint32_t i = 0; i < grant.count; ++i)
    homes_[ChunkNo{raw(grant.first) + i}] = config_.self;

  // What is left of the old run is too short for this call; join the runs where they touch.
  if (pool_count_ > 0 && pool_first_ + pool_count_ == raw(grant.first)) {
    pool_count_ += grant.count;
  } else if (grant.count >= pool_count_) {
    pool_first_ = raw(grant.first);
    pool_count_ = grant.count;
  }
  if (call.count <= pool_count_) hand_out(call.tag, call.count);
  else outbox_.act(Reply{call.tag, ENOMEM, {}});
  return true;
}

bool ChunkMap::on_query(NodeId from, Transaction transaction, const ChunkQuery& query) {
  if (config_.self != coordinator() || !contains(query.chunk)) return false;
  outbox_.send(from, transaction, ChunkHome{query.chunk, home_of(query.chunk)});
  return true;
}

bool ChunkMap::on_home(NodeId from, const ChunkHome& home, std::vector<WaitsForHome>& waiting) {
  const auto found = asked_.find(home.chunk);
  if (from != coordinator() || found == asked_.end()) return false;
  if (home.home != no_node && !config_.nodes.contains(home.home)) return false;
  waiting = std::move(found->second);
  asked_.erase(found);
  // "Nobody" is not kept: the chunk may be handed out a moment later.
  if (home.home != no_node) homes_[home.chunk] = home.home;
  return true;
}

}  // namespace gallocy::core
