#include "core/sync_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {
namespace {

constexpr TimeUs longest_timeout_us = TimeUs{1} << 56;  // two thousand years

bool is_grant(std::int32_t status) { return status == 0 || status == EOWNERDEAD; }

}  // namespace

// ---- calls -------------------------------------------------------------------------------

int SyncCalls::check(const SyncRequest& request) const {
  if (!homes_.valid_address(request.address) || !is_possible(request)) return EINVAL;
  if (!is_of_clients(request.operation)) return EINVAL;
  return threads_.possible(request.thread) ? 0 : EPERM;
}

int SyncCalls::check(const SyncCall& call) const {
  if (const int status = check(call.request); status != 0) return status;
  return call.interruptible && threads_.cancelled(call.request.thread) ? ECANCELED : 0;
}

void SyncCalls::on_call(CallTag tag, const SyncCall& call, TimeUs now_us) {
  int status = check(call);
  // Its answer would come twice, as only a wait expects.
  if (call.request.operation == SyncOperation::take && call.request.kind == SyncKind::condition)
    status = EINVAL;
  if (status != 0) outbox_.act(Reply{tag, status, {}});
  else begin(tag, call, now_us);
}

SyncCalls::Counter SyncCalls::begin(CallTag tag, const SyncCall& call, TimeUs now_us) {
  Call made{tag, call.request};
  made.interruptible = call.interruptible;
  made.request.may_be_lent = tokens_.are_worth(call.request);
  if (call.timeout_us != no_timeout && call.request.operation == SyncOperation::take)
    made.deadline_us = now_us + std::min(call.timeout_us, longest_timeout_us);
  return begin(made);
}

SyncCalls::Counter SyncCalls::begin(Call call) {
  const Transaction transaction = outbox_.new_transaction();
  if (call.deadline_us != 0) deadlines_.insert({call.deadline_us, transaction.counter});
  calls_.emplace(transaction.counter, call);
  homes_.send(call.request.address, transaction, call.request);
  return transaction.counter;
}

void SyncCalls::withdraw(Counter counter, Call& call, int status) {
  if (call.withdrawn != 0 || call.request.operation != SyncOperation::take) return;
  call.withdrawn = status;
  deadlines_.erase({call.deadline_us, counter});
  SyncRequest request = call.request;
  request.operation = SyncOperation::withdraw;
  request.may_be_lent = false;
  request.argument = static_cast<std::uint64_t>(status);
  homes_.send(request.address, {config_.self, counter}, request);
}

void SyncCalls::on_time(TimeUs now_us) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) {
    const Counter counter = deadlines_.begin()->second;
    withdraw(counter, calls_.at(counter), ETIMEDOUT);
  }
}

// One that is withdrawn already, for its time is over, may still be granted.
std::size_t SyncCalls::on_cancelled(ThreadId thread) {
  std::size_t count = 0;
  for (auto& [counter, call] : calls_) {
    if (!call.interruptible || call.request.thread != thread) continue;
    withdraw(counter, call, ECANCELED);
    if (!std::exchange(call.delays_cancel, true)) ++count;
  }
  return count;
}

// The others go on when the handler has returned, as the C library has it.
void SyncCalls::on_interrupted(CallTag tag, const ThreadInterruptedCall& interrupted) {
  for (auto& [counter, call] : calls_) {
    const SyncKind kind = call.request.kind;
    const bool is_meant = !call.orphaned && call.tag.client == tag.client &&
                          call.request.thread == interrupted.thread;
    if (is_meant && (kind == SyncKind::semaphore || kind == SyncKind::futex))
      withdraw(counter, call, EINTR);
  }
  outbox_.act(Reply{tag, 0, {}});
}

// ---- answers -----------------------------------------------------------------------------

bool SyncCalls::on_reply(NodeId from, Transaction transaction, const SyncReply& reply,
                         TimeUs now_us) {
  const Counter counter = transaction.counter;
  const auto found = calls_.find(counter);
  if (transaction.requester != config_.self || found == calls_.end()) return false;
  if (from != config_.self && from != homes_.home_of(found->second.request.address)) return false;
  if (reply.lent && (reply.status != 0 || !found->second.request.may_be_lent)) return false;
  if (reply.status == EINPROGRESS) {  // another answer follows
    const SyncRequest& request = found->second.request;
    if (request.kind != SyncKind::condition || request.operation != SyncOperation::take)
      return false;
    entered(counter);
    return true;
  }
  end(counter, reply, now_us);
  return true;
}

void SyncCalls::end(Counter counter, const SyncReply& reply, TimeUs now_us) {
  const auto found = calls_.find(counter);
  const Call call = found->second;
  deadlines_.erase({call.deadline_us, counter});
  calls_.erase(found);
  answered(call, counter, reply, now_us);
  if (call.delays_cancel) threads_.on_wait_over(call.request.thread);
}

void SyncCalls::answered(const Call& call, Counter counter, const SyncReply& reply,
                         TimeUs now_us) {
  if (call.request.operation == SyncOperation::abandon)
    return abandoned(call.request.thread, now_us);
  if (call.orphaned) {
    if (!takes(call.request) || !is_grant(reply.status) || planted(Bug::grant_to_the_dead)) return;
    return reply.lent ? give_back_lent(call.request) : give_back(call.request);
  }
  note_holding(call, reply);
  if (waits_.contains(counter)) left(counter, reply.status);
  else if (call.wait == 0) outbox_.act(Reply{call.tag, reply.status, {reply.value}});
  else if (takes(call.request)) relocked(call.wait, reply.status);
  else unlocked(call.wait, reply.status);
}

void SyncCalls::note_holding(const Call& call, const SyncReply& reply) {
  if (!has_owner(call.request.kind)) return;
  if (reply.lent) return tokens_.lend(call.tag.client, call.request);
  if (takes(call.request) && is_grant(reply.status)) holdings_.took(call.tag.client, call.request);
  if (call.request.operation == SyncOperation::give && reply.status == 0)
    holdings_.gave(call.tag.client, call.request);
}

// It was granted to a thread that does not exist any more, or that has nothing from it: a signal
// or a count of a semaphore belongs to the next in the queue. Whom else a wake was for is known to
// nobody any more: all look again.
void SyncCalls::give_back(const SyncRequest& granted) {
  if (granted.kind == SyncKind::barrier) return;
  SyncRequest request = granted;
  request.may_be_lent = false;
  request.operation = has_owner(granted.kind) ? SyncOperation::abandon : SyncOperation::give;
  if (has_owner(granted.kind)) request.argument = 1;
  if (granted.kind == SyncKind::futex) {
    request.argument = std::numeric_limits<std::uint32_t>::max();
    request.bits = all_futex_bits;
  }
  begin_orphan(request);
}

// ---- mutexes that are lent ---------------------------------------------------------------

void SyncCalls::give_back_lent(const SyncRequest& granted) {
  homes_.send(granted.address, outbox_.new_transaction(),
              TokenReturn{{granted.address, ThreadId{}, granted.kind}});
}

bool SyncCalls::on_recall(NodeId from, const TokenRecall& recall) {
  if (!homes_.valid_address(recall.address) || from != homes_.home_of(recall.address)) return false;
  tokens_.recall(recall.address);
  return true;
}

// The home hears who has it before it hears of anything that thread does with it from now on: that
// is asked for by this node, after this.
void SyncCalls::on_token_taken(const TokenTaken& taken) {
  auto returned = tokens_.take_back(taken);
  if (!returned) return;
  auto& [lock, orphaned] = *returned;
  if (lock.depth == 0 || !threads_.possible(lock.thread)) lock.thread = {}, lock.depth = 0;
  homes_.send(lock.address, outbox_.new_transaction(), TokenReturn{lock});
  if (lock.depth == 0) return;
  if (!orphaned) return holdings_.took(taken.client, lock);
  if (!planted(Bug::token_of_the_dead_kept))
    begin_orphan({lock.address, lock.thread, SyncOperation::abandon, lock.kind, 1});
}

// All nodes are told of some: who knows of no home there has nothing of it.
bool SyncCalls::on_unheld(NodeId from, const Unheld& unheld) {
  if (!homes_.valid_address(unheld.address)) return false;
  const NodeId home = homes_.home_of(unheld.address);
  if (home != no_node && from != home) return false;
  holdings_.lost(unheld.thread, unheld.address);
  return true;
}

// ---- ends --------------------------------------------------------------------------------

void SyncCalls::on_exited(CallTag tag, const ThreadExited& exited, TimeUs now_us) {
  const auto robust = holdings_.of_thread(tag.client, exited.thread);
  if (robust.empty() || !endings_.emplace(exited.thread, Ending{tag, exited, robust.size()}).second)
    return threads_.on_exited(tag, exited, now_us);
  for (const SyncRequest& request : robust) begin_orphan(request);
}

void SyncCalls::abandoned(ThreadId thread, TimeUs now_us) {
  const auto found = endings_.find(thread);
  if (found == endings_.end() || --found->second.unanswered > 0) return;
  const Ending ending = found->second;
  endings_.erase(found);
  threads_.on_exited(ending.tag, ending.exited, now_us);
}

void SyncCalls::forget_client(ClientId client) {
  std::erase_if(waits_, [client](const auto& wait) { return wait.second.tag.client == client; });
  std::erase_if(endings_, [client](const auto& end) { return end.second.tag.client == client; });
  for (auto& [counter, call] : calls_) {
    if (call.orphaned || call.tag.client != client) continue;
    call.orphaned = true;
    if (!planted(Bug::dead_stay_in_queue)) withdraw(counter, call, ECANCELED);
  }
  for (const SyncRequest& request : holdings_.of_client(client)) begin_orphan(request);
  tokens_.forget_client(client);
}

// ---- after a removal ---------------------------------------------------------------------

std::vector<std::uint64_t> SyncCalls::calls_to(NodeId home) const {
  std::vector<std::uint64_t> counters;
  for (const auto& [counter, call] : calls_)
    if (homes_.home_of(call.request.address) == home) counters.push_back(counter);
  std::ranges::sort(counters);
  return counters;
}

void SyncCalls::ask_anew(const std::vector<std::uint64_t>& counters, TimeUs now_us) {
  for (const Counter counter : counters) {
    const auto found = calls_.find(counter);
    if (found == calls_.end()) continue;
    const Call& call = found->second;
    if (const auto answer = answer_of_the_gone(call)) end(counter, {*answer, 0}, now_us);
    else homes_.send(call.request.address, {config_.self, counter}, call.request);
  }
}

// Of locks is known what it takes to go on: who has them and who asks. A wait at a condition ends
// as if it had been signalled, for perhaps it was. A semaphore's value is gone, and how many have
// come to a barrier. Who waits at a futex looks at its word again; a wake is repeated, since
// threads that the removed home never knew may wait at the next one by now. nullopt: that will
// know.
std::optional<std::int32_t> SyncCalls::answer_of_the_gone(const Call& call) {
  const SyncRequest& request = call.request;
  if (call.withdrawn != 0) return call.withdrawn;
  if (request.operation == SyncOperation::init || request.operation == SyncOperation::abandon)
    return std::nullopt;
  if (request.kind == SyncKind::semaphore || request.kind == SyncKind::barrier) return EINVAL;
  if (request.kind == SyncKind::futex && !takes(request)) return std::nullopt;
  if (request.kind == SyncKind::condition || request.kind == SyncKind::futex) return 0;
  if (!takes(request)) return 0;
  return std::nullopt;
}

// ---- waits at conditions -----------------------------------------------------------------

void SyncCalls::on_call(CallTag tag, const ConditionWaitCall& call, TimeUs now_us) {
  const SyncRequest mutex{call.mutex, call.wait.request.thread, SyncOperation::take,
                          call.mutex_kind};
  int status = check(call.wait);
  if (status == 0) status = check(mutex);
  if (call.wait.request.kind != SyncKind::condition || !is_mutex(mutex.kind) ||
      call.wait.request.operation != SyncOperation::take)
    status = EINVAL;
  if (status != 0) return outbox_.act(Reply{tag, status, {}});
  waits_.emplace(begin(tag, call.wait, now_us), ConditionWait{tag, call.wait.request, mutex});
}

void SyncCalls::entered(Counter counter) {
  const auto found = waits_.find(counter);
  if (found == waits_.end()) return;  // of a client that has gone
  ConditionWait& wait = found->second;
  if (wait.step != ConditionWait::Step::entering) return;
  wait.step = ConditionWait::Step::unlocking;
  Call unlock{wait.tag, wait.mutex};
  unlock.request.operation = SyncOperation::give;
  unlock.wait = counter;
  begin(unlock);
}

void SyncCalls::left(Counter counter, std::int32_t status) {
  ConditionWait& wait = waits_.at(counter);
  wait.outcome = status;
  switch (wait.step) {
    case ConditionWait::Step::entering:  // it has not begun: there is no such memory
      return finish(counter, status);
    case ConditionWait::Step::waiting:
      return relock(counter);
    case ConditionWait::Step::leaving:
      return unlocked(counter, wait.failure);
    case ConditionWait::Step::unlocking:
    case ConditionWait::Step::relocking:
      return;
  }
}

// A thread that did not have the mutex must not wait. A signal that has come to it meanwhile is
// somebody else's.
void SyncCalls::unlocked(Counter counter, std::int32_t status) {
  ConditionWait& wait = waits_.at(counter);
  const bool out = wait.outcome != EINPROGRESS;
  if (status == 0) {
    wait.step = ConditionWait::Step::waiting;
    if (out) relock(counter);
  } else if (out) {
    if (wait.outcome == 0) give_back(wait.condition);
    finish(counter, status);
  } else {
    wait.step = ConditionWait::Step::leaving;
    wait.failure = status;
    withdraw(counter, calls_.at(counter), ECANCELED);
  }
}

void SyncCalls::relock(Counter counter) {
  ConditionWait& wait = waits_.at(counter);
  wait.step = ConditionWait::Step::relocking;
  Call lock{wait.tag, wait.mutex};
  lock.wait = counter;
  begin(lock);
}

// A cancelled thread unwinds with the mutex, whatever state that is in.
void SyncCalls::relocked(Counter counter, std::int32_t status) {
  const std::int32_t outcome = waits_.at(counter).outcome;
  const bool has_mutex = is_grant(status);
  const bool outcome_counts = status == 0 || (has_mutex && outcome == ECANCELED);
  finish(counter, outcome_counts ? outcome : status);
}

void SyncCalls::finish(Counter counter, std::int32_t status) {
  const auto found = waits_.find(counter);
  outbox_.act(Reply{found->second.tag, status, {}});
  waits_.erase(found);
}

}  // namespace gallocy::core
