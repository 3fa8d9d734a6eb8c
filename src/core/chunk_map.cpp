#include "core/chunk_map.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

ChunkMap::ChunkMap(const Config& config, std::uint64_t page_count, Memory& memory, Outbox& outbox)
    : config_(config), memory_(memory), outbox_(outbox),
      chunk_count_(static_cast<std::uint32_t>(page_count / pages_per_chunk)) {}

NodeId ChunkMap::home_of(ChunkNo chunk) const {
  const auto found = homes_.find(chunk);
  return found == homes_.end() ? no_node : found->second;
}

void ChunkMap::ask_home(ChunkNo chunk, WaitsForHome waiting) {
  Asked& asked = asked_[chunk];
  asked.waiting.push_back(std::move(waiting));
  if (asked.waiting.size() == 1) query(chunk, asked);
}

void ChunkMap::query(ChunkNo chunk, Asked& asked) {
  asked.covered = asked.waiting.size();
  outbox_.send(coordinator(), outbox_.new_transaction(), ChunkQuery{chunk});
}

void ChunkMap::on_home_call(CallTag tag, const HomeCall& call) {
  if (!contains_address(call.address)) return answer_home(tag, no_node);
  const ChunkNo chunk = chunk_with(call.address);
  const NodeId home = home_of(chunk);
  if (home == no_node) ask_home(chunk, tag);
  else answer_home(tag, home);
}

void ChunkMap::answer_home(CallTag tag, NodeId home) {
  if (home == no_node) outbox_.act(Reply{tag, EINVAL, {}});
  else outbox_.act(Reply{tag, 0, {raw(home)}});
}

// ---- handing out -------------------------------------------------------------------------

void ChunkMap::on_call(CallTag tag, const ChunksCall& call) {
  const bool anywhere = call.node == no_node;
  const std::optional<ChunkNo> wanted =
      call.wanted == 0 ? no_chunk : chunk_at(call.wanted);
  const bool exists = raw(call.node) < max_node_count && config_.nodes.contains(call.node);
  if (call.count == 0 || !wanted || !(anywhere || exists)) {
    outbox_.act(Reply{tag, EINVAL, {}});
    return;
  }
  Wish wish{tag, config_.self, {}, call.count, *wanted, {}, no_node};
  if (call.count > chunk_count_) return outbox_.act(Reply{tag, ENOMEM, {}});
  wish.idle_pages = call.idle_pages;
  wish.of_choice = call.node;
  if (*wanted != no_chunk) {
    // Right behind chunks that the client has, and of their home: a run has one home.
    const ChunkNo before{raw(*wanted) - 1};
    const NodeId home = home_of(before);
    const bool may_be = client_of(before) == tag.client && home_of(*wanted) == home;
    return may_be ? ask(wish, home) : outbox_.act(Reply{tag, ENOMEM, {}});
  }
  ask_around(wish);
}

void ChunkMap::on_claim_call(CallTag tag, const ClaimChunkCall& call) {
  const std::optional<ChunkNo> chunk = chunk_at(call.address);
  if (!chunk || client_of(*chunk) != tag.client) return outbox_.act(Reply{tag, EINVAL, {}});
  Wish wish{tag, config_.self, {}, 1, *chunk, {}, no_node};
  wish.claim = true;
  ask(wish, home_of(*chunk));
}

// This node first, unless it is another's chunks that are wanted.
void ChunkMap::ask_around(Wish wish) {
  const bool anywhere = wish.of_choice == no_node;
  if (anywhere) wish.others = config_.nodes.without(config_.self);
  ask(wish, anywhere ? config_.self : wish.of_choice);
}

void ChunkMap::ask(Wish wish, NodeId home) {
  if (home == config_.self) serve(wish, wish.wanted == no_chunk);
  else
    send_wish(wish, home,
              LoanRequest{wish.count, wish.wanted, wish.overcommit, wish.idle_pages, wish.claim});
}

void ChunkMap::send_wish(Wish wish, NodeId to, Body body) {
  wish.asked = to;
  wish.fresh = std::holds_alternative<ChunkRequest>(body);
  const Transaction transaction = outbox_.new_transaction();
  wishes_.emplace(transaction.counter, wish);
  outbox_.send(to, transaction, std::move(body));
}

bool ChunkMap::take_wish(NodeId from, Transaction transaction, Wish& wish) {
  const auto found = wishes_.find(transaction.counter);
  if (found == wishes_.end() || found->second.asked != from) return false;
  wish = found->second;
  wishes_.erase(found);
  return true;
}

// Of that chunk of those that are wished.
std::uint64_t ChunkMap::promised_of(const Wish& wish, std::uint32_t chunk) const {
  const std::uint64_t after = std::uint64_t{wish.count - 1 - chunk} * pages_per_chunk;
  if (wish.idle_pages <= after) return config_.chunk_frames;
  return config_.chunk_frames - std::min(config_.chunk_frames, wish.idle_pages - after);
}

Promises ChunkMap::promises() const {
  return {memory_.could_promise(), memory_.promised(), memory_.reserved()};
}

// Of what counts when it is touched, so much is likely to be: a thread's stack, say.
constexpr std::uint64_t sparse_frames = 64;

// What could not be written to would end in SIGBUS; a program can deal with ENOMEM. Memory that was
// handed out and is not touched yet takes no frame, but may well be touched later: so a home lends
// no more than it could hold, but for what is known to be sparse, and unless the job is.
bool ChunkMap::can_promise(std::uint64_t page_count, bool overcommit) const {
  const std::uint64_t kept_back = memory_.could_reserve() - memory_.could_promise();
  if (!memory_.has_room(page_count + kept_back)) return false;
  return overcommit || memory_.promised() + page_count <= memory_.could_promise();
}

bool ChunkMap::has_room(const Wish& wish) const {
  std::uint64_t pages = 0;
  for (std::uint32_t i = 0; i < wish.count; ++i) pages += promised_of(wish, i);
  if (pages > 0) return can_promise(pages, wish.overcommit);
  return memory_.has_room(std::min(config_.chunk_frames, sparse_frames));
}

// False: it is not that node's, or there is no memory for the rest of it.
bool ChunkMap::promise_rest(const Wish& wish) {
  const auto lent = loans_.find(wish.wanted);
  if (lent == loans_.end() || lent->second != wish.node) return false;
  const std::uint64_t counted = memory_.counted(wish.wanted);
  const std::uint64_t more = config_.chunk_frames - std::min(config_.chunk_frames, counted);
  if (more > 0 && !can_promise(more, false)) return false;
  memory_.promise(wish.wanted, config_.chunk_frames);
  return true;
}

// At the home.
void ChunkMap::serve(const Wish& wish, bool may_ask_coordinator) {
  if (!config_.nodes.contains(wish.node)) return;  // removed while this waited for the coordinator
  if (wish.claim) return promise_rest(wish) ? grant(wish, wish.wanted) : refuse_here(wish);
  if (!has_room(wish)) return refuse_here(wish);
  const ChunkNo first = take_from_pool(wish.count, wish.wanted);
  if (first != no_chunk) return lend(wish, first);
  if (!may_ask_coordinator) return refuse_here(wish);
  ++grants_awaited_;
  send_wish(wish, coordinator(), ChunkRequest{std::max(wish.count, config_.chunk_batch)});
}

void ChunkMap::lend(const Wish& wish, ChunkNo first) {
  for (std::uint32_t i = 0; i < wish.count; ++i) {
    const ChunkNo chunk{raw(first) + i};
    loans_[chunk] = wish.node;
    memory_.promise(chunk, promised_of(wish, i));
  }
  grant(wish, first);
}

void ChunkMap::grant(const Wish& wish, ChunkNo first) {
  if (wish.node == config_.self) note_client(wish.tag, first, wish.count);
  else outbox_.send(wish.node, wish.transaction, Loan{first, wish.count});
}

// A program that fills what it gets has touched all but the last blocks of its threads when there
// is no room for more; one that needs more than there is, as a large matrix of which it touches
// little, has touched next to nothing of nearly all. Nothing is known of nodes that were removed
// before they answered.
bool ChunkMap::is_sparse(const Promises& known) {
  constexpr std::uint64_t touched_share = 16;
  return known.could_hold != 0 && known.touched * touched_share <= known.promised &&
         known.promised >= known.could_hold / 4 * 3;
}

// This node has no chunks for it: another may, while there is one. When all have been asked for
// what they could hold, and the program is sparse, all are asked for what they have room for now.
// (A certain chunk is at one node only; who can't have it asks for others, whose home could hold
// them.)
void ChunkMap::refuse(Wish wish) {
  wish.others = NodeSet{wish.others.bits() & config_.nodes.bits()};
  if (wish.node != config_.self) {
    outbox_.send(wish.node, wish.transaction, Loan{ChunkNo{0}, 0, promises()});
  } else if (!wish.others.empty()) {
    const NodeId next = wish.others.lowest();
    wish.others.erase(next);
    ask(wish, next);
  } else if (wish.overcommit || wish.wanted != no_chunk || !is_sparse(wish.promises)) {
    outbox_.act(Reply{wish.tag, ENOMEM, {}});
  } else {
    wish.overcommit = true;
    ask_around(wish);
  }
}

void ChunkMap::refuse_here(Wish wish) {
  if (wish.node == config_.self) wish.promises += promises();
  refuse(wish);
}

void ChunkMap::note_client(CallTag tag, ChunkNo first, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) clients_[ChunkNo{raw(first) + i}] = tag.client;
  outbox_.act(Reply{tag, 0, {config_.region_address + raw(first) * chunk_bytes}});
}

bool ChunkMap::on_loan_request(NodeId from, Transaction transaction, const LoanRequest& request) {
  const bool possible = request.claim ? contains(request.wanted) && request.count == 1
                                      : request.wanted == no_chunk || contains(request.wanted);
  if (from == config_.self || request.count == 0 || request.count > chunk_count_ || !possible)
    return false;
  Wish wish{{}, from, transaction, request.count, request.wanted, {}, no_node};
  wish.overcommit = request.overcommit;
  wish.idle_pages = request.idle_pages;
  wish.claim = request.claim;
  serve(wish, request.wanted == no_chunk);
  return true;
}

bool ChunkMap::on_loan(NodeId from, Transaction transaction, const Loan& loan) {
  Wish wish;
  if (!take_wish(from, transaction, wish)) return false;
  if (loan.count == 0) {
    wish.promises += loan.of_home;
    refuse(wish);
    return true;
  }
  const bool as_wished = loan.count == wish.count &&
                         (wish.wanted == no_chunk || wish.wanted == loan.first);
  if (as_wished && wish.claim) return end_claim(wish), true;
  if (!as_wished || !all_of_run(loan.first, loan.count, [&](ChunkNo chunk) {
        const NodeId home = home_of(chunk);
        return !client_of(chunk) && (home == no_node || home == from);
      }))
    return false;
  for (std::uint32_t i = 0; i < loan.count; ++i) homes_[ChunkNo{raw(loan.first) + i}] = from;
  note_client(wish.tag, loan.first, loan.count);
  return true;
}

// What a client has returned while it claimed it is not its again.
void ChunkMap::end_claim(const Wish& wish) {
  if (client_of(wish.wanted) == wish.tag.client) note_client(wish.tag, wish.wanted, 1);
  else outbox_.act(Reply{wish.tag, EINVAL, {}});
}

// ---- the pool ----------------------------------------------------------------------------

ChunkNo ChunkMap::take_from_pool(std::uint32_t count, ChunkNo wanted) {
  const auto found = std::ranges::find_if(pool_, [&](const auto& run) {
    const auto [first, length] = run;
    if (wanted == no_chunk) return length >= count;
    const std::uint32_t before = raw(wanted) - first;  // huge if it begins behind
    return before < length && length - before >= count;
  });
  if (found == pool_.end()) return no_chunk;
  const auto [first, length] = *found;
  const std::uint32_t taken = wanted == no_chunk ? first : raw(wanted);
  pool_.erase(found);
  if (taken > first) pool_.emplace(first, taken - first);
  if (first + length > taken + count) pool_.emplace(taken + count, first + length - taken - count);
  return ChunkNo{taken};
}

void ChunkMap::add_to_pool(ChunkNo first, std::uint32_t count) {
  if (count == 0) return;
  auto after = pool_.lower_bound(raw(first));
  if (after != pool_.end() && raw(first) + count == after->first) {
    count += after->second + (planted(Bug::pool_run_too_long) ? 1 : 0);
    after = pool_.erase(after);
  }
  if (after != pool_.begin())
    if (const auto before = std::prev(after); before->first + before->second == raw(first)) {
      before->second += count;
      return;
    }
  pool_.emplace(raw(first), count);
}

// ---- taking back -------------------------------------------------------------------------

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
  for (std::uint32_t i = 0; i < count; ++i) {
    const ChunkNo chunk{raw(first) + i};
    loans_.erase(chunk);
    memory_.promise(chunk, 0);
  }
  return true;
}

// ---- who has what ------------------------------------------------------------------------

std::optional<ClientId> ChunkMap::client_of(ChunkNo chunk) const {
  const auto found = clients_.find(chunk);
  if (found == clients_.end()) return std::nullopt;
  return found->second;
}

bool ChunkMap::on_request(NodeId from, Transaction transaction, const ChunkRequest& request) {
  if (config_.self != coordinator() || request.count == 0) return false;
  const std::uint32_t count = std::min(request.count, chunk_count_ - fresh_);
  for (std::uint32_t i = 0; from != config_.self && i < count; ++i)  // its own: on_grant()
    homes_[ChunkNo{fresh_ + i}] = from;
  outbox_.send(from, transaction, ChunkGrant{ChunkNo{fresh_}, count});
  fresh_ += count - (planted(Bug::chunk_twice) && count > 1 ? 1 : 0);
  return true;
}

bool ChunkMap::on_grant(NodeId from, Transaction transaction, const ChunkGrant& grant) {
  const std::uint64_t end = std::uint64_t{raw(grant.first)} + grant.count;
  Wish wish;
  if (from != coordinator() || end > chunk_count_ || !take_wish(from, transaction, wish))
    return false;
  --grants_awaited_;
  for (std::uint32_t i = 0; i < grant.count; ++i) own(ChunkNo{raw(grant.first) + i});
  serve(wish, false);
  return true;
}

// Told by a grant or by a removal, whichever comes first; and perhaps by the other, too.
void ChunkMap::own(ChunkNo chunk) {
  if (homes_.try_emplace(chunk, config_.self).second) add_to_pool(chunk, 1);
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
  Asked& asked = found->second;
  if (home.home != no_node) {
    homes_[home.chunk] = home.home;
    asked.covered = asked.waiting.size();
  }
  // "Nobody" holds only for those who waited when it was asked: the chunk may have been handed out
  // since, and who came then may know that.
  const auto end = asked.waiting.begin() + static_cast<std::ptrdiff_t>(asked.covered);
  waiting.assign(std::make_move_iterator(asked.waiting.begin()), std::make_move_iterator(end));
  asked.waiting.erase(asked.waiting.begin(), end);
  if (asked.waiting.empty()) asked_.erase(found);
  else query(home.chunk, asked);
  return true;
}

// ---- after a removal ---------------------------------------------------------------------

// What clients of the removed node have stays theirs: others may have pointers into it.
std::vector<ChunkMap::Found> ChunkMap::begin_epoch(const MemberRemoved& removal) {
  unready_ = config_.nodes;
  for (const ChunkRun& run : removal.chunks) {
    for (std::uint32_t i = 0; i < run.count; ++i) {
      const ChunkNo chunk{raw(run.first) + i};
      if (run.home == config_.self) own(chunk);
      else homes_[chunk] = run.home == removal.node ? removal.heir : run.home;
    }
    fresh_ = std::max(fresh_, raw(run.first) + run.count);
  }

  std::vector<Found> found;
  for (auto item = asked_.begin(); item != asked_.end();) {
    auto& [chunk, asked] = *item;
    if (home_of(chunk) == no_node) {
      query(chunk, asked);
      ++item;
    } else {
      found.push_back({chunk, std::move(asked.waiting)});
      item = asked_.erase(item);
    }
  }

  std::map<std::uint64_t, Wish> unanswered;
  for (const auto& [counter, wish] : wishes_)
    if (wish.asked == removal.node) unanswered.emplace(counter, wish);
  for (auto& [counter, wish] : unanswered) {
    wishes_.erase(counter);
    if (!wish.fresh) {
      refuse(wish);
      continue;
    }
    --grants_awaited_;
    serve(wish, true);
  }
  return found;
}

bool ChunkMap::note_loan(NodeId to, ChunkNo chunk) {
  const auto [lent, is_new] = loans_.try_emplace(chunk, to);
  if (is_new) memory_.promise(chunk, config_.chunk_frames);
  return lent->second == to;
}

}  // namespace gallocy::core
