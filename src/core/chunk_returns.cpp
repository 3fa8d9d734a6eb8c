#include "core/chunk_returns.hpp"

#include <cerrno>

#include "core/planted.hpp"

namespace gallocy::core {

void ChunkReturns::on_call(CallTag tag, const ReturnChunksCall& call) {
  const std::optional<ChunkNo> first = chunks_.chunk_at(call.address);
  if (!first || !chunks_.take_back(tag.client, *first, call.count)) {
    outbox_.act(Reply{tag, EINVAL, {}});
    return;
  }
  ++call_count_;
  const NodeId home = chunks_.home_of(*first);
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, home});
  outbox_.send(home, transaction, ChunkReturn{*first, call.count});
}

bool ChunkReturns::on_return(NodeId from, Transaction transaction, const ChunkReturn& what) {
  if (!chunks_.end_loan(from, what.first, what.count)) return false;
  waiting_.push_back({from, transaction, what.first, what.count});
  return true;
}

bool ChunkReturns::on_returned(NodeId from, Transaction transaction) {
  const auto found = calls_.find(transaction.counter);
  if (found == calls_.end() || found->second.home != from) return false;
  outbox_.act(Reply{found->second.tag, 0, {}});
  calls_.erase(found);
  return true;
}

// One chunk a step: a large block is a thousand of them, and faults have to be served in between.
void ChunkReturns::proceed(TimeUs now_us) {
  if (!current_) {
    current_ = {waiting_.front().first, false, {}, {}};
    directory_.close(current_->chunk);
  }
  if (directory_.quiet() || planted(Bug::discard_early)) discard(now_us);
}

void ChunkReturns::discard(TimeUs now_us) {
  current_->discarding = true;
  current_->awaited = directory_.holders_of_closed();
  if (current_->awaited.empty()) return finish(now_us);
  current_->transaction = outbox_.new_transaction();
  current_->awaited.for_each([&](NodeId holder) {
    outbox_.send(holder, current_->transaction, Discard{current_->chunk});
  });
}

bool ChunkReturns::on_discarded(NodeId from, Transaction transaction, const Discarded& what,
                                TimeUs now_us) {
  if (!current_ || !current_->discarding || current_->transaction != transaction) return false;
  if (current_->chunk != what.chunk || !current_->awaited.contains(from)) return false;
  current_->awaited.erase(from);
  if (current_->awaited.empty()) finish(now_us);
  return true;
}

// What the removed home did not say that it had in its pool is lost to the job; its next home does
// not know that nobody has it.
void ChunkReturns::begin_epoch(NodeId removed) {
  std::erase_if(calls_, [&](const auto& one) {
    const Call& call = one.second;
    if (call.home != removed) return false;
    outbox_.act(Reply{call.tag, 0, {}});
    return true;
  });
  if (!current_) return;
  current_->discarding = false;
  current_->awaited = NodeSet{};
}

void ChunkReturns::finish(TimeUs now_us) {
  directory_.reopen(now_us);
  chunks_.add_to_pool(current_->chunk, 1);
  current_.reset();
  Run& run = waiting_.front();
  run.first = ChunkNo{raw(run.first) + 1};
  if (--run.count > 0) return;
  outbox_.send(run.from, run.transaction, ChunkReturned{});
  waiting_.pop_front();
}

}  // namespace gallocy::core
