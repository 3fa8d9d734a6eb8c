#include "core/chunk_map.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

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
  if (const auto run = pool_run(call.count); run != pool_.end())
    return hand_out(tag, run, call.count);
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, call.count});
  outbox_.send(coordinator(), transaction,
               ChunkRequest{std::max(call.count, config_.chunk_batch)});
}

ChunkMap::Pool::iterator ChunkMap::pool_run(std::uint32_t count) {
  return std::ranges::find_if(pool_, [count](const auto& run) { return run.second >= count; });
}

void ChunkMap::hand_out(CallTag tag, Pool::iterator run, std::uint32_t count) {
  const auto [first, available] = *run;
  pool_.erase(run);
  if (available > count) pool_.emplace(first + count, available - count);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients_[ChunkNo{first + i}] = tag.client;
    loans_[ChunkNo{first + i}] = config_.self;
  }
  outbox_.act(Reply{tag, 0, {config_.region_address + first * chunk_bytes}});
}

void ChunkMap::add_to_pool(ChunkNo first, std::uint32_t count) {
  if (count == 0) return;
  auto after = pool_.lower_bound(raw(first));
  if (after != pool_.end() && raw(first) + count == after->first) {
    count += after->second;
    after = pool_.erase(after);
  }
  if (after != pool_.begin())
    if (const auto before = std::prev(after); before->first + before->second == raw(first)) {
      before->second += count;
      return;
    }
  pool_.emplace(raw(first), count);
}

std::optional<ChunkNo> ChunkMap::chunk_at(std::uint64_t address) const {
  const std::uint64_t offset = address - config_.region_address;
  if (offset % chunk_bytes != 0 || offset / chunk_bytes >= chunk_count_) return std::nullopt;
  return ChunkNo{static_cast<std::uint32_t>(offset / chunk_bytes)};
}

bool ChunkMap::all_of_run(ChunkNo first, std::uint32_t count, auto holds) const {
  if (count == 0 || count > chunk_count_ || raw(first) > chunk_count_ - count) return false;
  for (std::uint32_t i = 0; i < count; ++i)
    if (!holds(ChunkNo{raw(first) + i})) return false;
  return true;
}

bool ChunkMap::take_back(ClientId client, ChunkNo first, std::uint32_t count) {
  const NodeId home = home_of(first);
  if (!all_of_run(first, count, [&](ChunkNo chunk) {
        return client_of(chunk) == client && home_of(chunk) == home;
      }))
    return false;
  for (std::uint32_t i = 0; i < count; ++i) clients_.erase(ChunkNo{raw(first) + i});
  return true;
}

bool ChunkMap::end_loan(NodeId node, ChunkNo first, std::uint32_t count) {
  if (!all_of_run(first, count, [&](ChunkNo chunk) {
        const auto found = loans_.find(chunk);
        return found != loans_.end() && found->second == node;
      }))
    return false;
  for (std::uint32_t i = 0; i < count; ++i) loans_.erase(ChunkNo{raw(first) + i});
  return true;
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

  add_to_pool(grant.first, grant.count);
  if (const auto run = pool_run(call.count); run != pool_.end())
    hand_out(call.tag, run, call.count);
  else
    outbox_.act(Reply{call.tag, ENOMEM, {}});
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
