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
  if (Run* const run = pool_run(call.count)) {
    hand_out(tag, *run, call.count);
    return;
  }
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, call.count});
  outbox_.send(coordinator(), transaction,
               ChunkRequest{std::max(call.count, config_.chunk_batch)});
}

ChunkMap::Run* ChunkMap::pool_run(std::uint32_t count) {
  const auto found =
      std::ranges::find_if(pool_, [count](const Run& run) { return run.count >= count; });
  return found == pool_.end() ? nullptr : &*found;
}

void ChunkMap::hand_out(CallTag tag, Run& from, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) clients_[ChunkNo{from.first + i}] = tag.client;
  const std::uint64_t address = config_.region_address + from.first * chunk_bytes;
  from.first += count;
  from.count -= count;
  std::erase_if(pool_, [](const Run& run) { return run.count == 0; });
  outbox_.act(Reply{tag, 0, {address}});
}

void ChunkMap::add_to_pool(Run run) {
  for (Run& old : pool_)
    if (old.first + old.count == run.first) {
      old.count += run.count;
      return;
    }
  if (run.count > 0) pool_.push_back(run);
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

  add_to_pool({raw(grant.first), grant.count});
  if (Run* const run = pool_run(call.count)) hand_out(call.tag, *run, call.count);
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
