#include "core/threads.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {

ThreadId Threads::attach(ClientId client, bool runs_main) {
  orders_.try_emplace(client);
  const ThreadId thread = records_.new_id();
  if (runs_main) {
    ++statistics_.of(client).threads_run;
    records_.add(thread, config_.self, false, false);
    running_.emplace(thread, Running{client, true});
  }
  if (ending_) order(client, {OrderKind::end, {}});
  return thread;
}

// Its threads have ended with it, whatever they were at: who joins them must not wait for ever.
// Those that they would have joined may be joined by others.
void Threads::forget_client(ClientId client) {
  for (const auto& [counter, call] : calls_) {
    if (call.tag.client != client) continue;
    deadlines_.erase({call.deadline_us, counter});
    if (raw(call.join.thread) != 0) withdraw(counter, call);
  }
  orders_.erase(client);
  last_thread_.forget_client(client);
  std::erase_if(calls_, [client](const auto& entry) { return entry.second.tag.client == client; });
  std::erase_if(starting_, [&](const auto& entry) {
    const auto& [thread, starting] = entry;
    if (starting.client != client) return false;
    outbox_.send(starting.from, starting.transaction, ThreadStarted{thread, EAGAIN});
    return true;
  });
  std::erase_if(running_, [&](const auto& entry) {
    const auto& [thread, running] = entry;
    if (running.client != client) return false;
    outbox_.send(creator_of(thread), outbox_.new_transaction(),
                 ThreadExited{thread, result_of_the_dead});
    return true;
  });
}

bool Threads::in_job(NodeId node) const {
  return raw(node) < max_node_count && config_.nodes.contains(node);
}

// ---- calls that another node answers -----------------------------------------------------

Transaction Threads::begin_call(CallTag tag, NodeId answerer) {
  const Transaction transaction = outbox_.new_transaction();
  calls_.emplace(transaction.counter, Call{tag, answerer, {}, false});
  return transaction;
}

bool Threads::end_call(NodeId from, Transaction transaction, int status, std::uint64_t value) {
  const auto call = calls_.find(transaction.counter);
  if (call == calls_.end()) return true;  // of a client that has gone
  if (call->second.answerer != from) return false;
  const Call ended = call->second;
  deadlines_.erase({ended.deadline_us, transaction.counter});
  calls_.erase(call);
  outbox_.act(Reply{ended.tag, status, {value}});
  if (ended.delays_cancel) on_wait_over(ended.join.joiner);
  return true;
}

void Threads::on_create(CallTag tag, const ThreadCreateCall& call) {
  const NodeId node = call.node == no_node ? placement_.choose(records_.live()) : call.node;
  if (!in_job(node)) {
    outbox_.act(Reply{tag, EINVAL, {}});
    return;
  }
  const ThreadId thread = records_.new_id();
  records_.add(thread, node, call.detached, call.of_runtime);
  const Transaction transaction = begin_call(tag, node);
  calls_.at(transaction.counter).created = thread;
  outbox_.send(node, transaction,
               ThreadStart{thread, call.function, call.argument, call.of_runtime});
}

bool Threads::on_started(NodeId from, Transaction transaction, const ThreadStarted& started) {
  return records_.on_started(from, started) &&
         end_call(from, transaction, started.status, raw(started.thread));
}

void Threads::on_join(CallTag tag, const ThreadJoinCall& call, TimeUs now_us) {
  int status = 0;
  if (!possible(call.join.thread)) status = ESRCH;
  else if (!possible(call.join.joiner)) status = EPERM;
  else if (call.interruptible && cancelled(call.join.joiner)) status = ECANCELED;
  const NodeId creator = creator_of(call.join.thread);
  if (status == 0 && !in_job(creator)) status = ESRCH;  // removed, and its records with it
  if (status != 0) {
    outbox_.act(Reply{tag, status, {}});
    return;
  }
  const Transaction transaction = begin_call(tag, creator);
  calls_.at(transaction.counter).join = call.join;
  calls_.at(transaction.counter).interruptible = call.interruptible;
  outbox_.send(creator, transaction, call.join);
  if (call.timeout_us == 0) run_out(transaction.counter);
  if (call.timeout_us == 0 || call.timeout_us >= no_timeout - now_us) return;
  calls_.at(transaction.counter).deadline_us = now_us + call.timeout_us;
  deadlines_.emplace(now_us + call.timeout_us, transaction.counter);
}

// The record's node hears of the join first, so it either says how the thread has ended, or that
// the join is withdrawn: never both, never neither.
void Threads::run_out(std::uint64_t counter) {
  Call& call = calls_.at(counter);
  call.out_of_time = true;
  withdraw(counter, call);
}

void Threads::on_time(TimeUs now_us) {
  last_thread_.on_time(now_us);
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) {
    const std::uint64_t counter = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    run_out(counter);
  }
}

TimeUs Threads::next_deadline() const {
  const TimeUs round_us = last_thread_.next_deadline();
  if (deadlines_.empty()) return round_us;
  const TimeUs join_us = deadlines_.begin()->first;
  return round_us == 0 ? join_us : std::min(round_us, join_us);
}

bool Threads::on_joined(NodeId from, Transaction transaction, const ThreadJoined& joined) {
  const auto call = calls_.find(transaction.counter);
  const bool ran_out = call != calls_.end() && call->second.out_of_time;
  const int status = joined.status == ECANCELED && ran_out ? ETIMEDOUT : joined.status;
  return end_call(from, transaction, status, joined.result);
}

void Threads::on_control(CallTag tag, const ThreadControl& control) {
  const NodeId creator = creator_of(control.thread);
  if (!possible(control.thread) || !in_job(creator) || !is_of_clients(control.operation)) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  outbox_.send(creator, begin_call(tag, creator), control);
}

bool Threads::on_controlled(NodeId from, Transaction transaction,
                            const ThreadControlled& controlled) {
  return end_call(from, transaction, controlled.status);
}

// ---- orders to the agents of clients -----------------------------------------------------

void Threads::order(ClientId client, const Order& order) {
  orders_[client].push_back(order);
  outbox_.act(NotifyAgent{client});
}

// What a client has not fetched yet needs not be said again: it may stand still.
void Threads::order_to_take(ClientId client, OrderKind kind) {
  const auto found = orders_.find(client);
  if (found == orders_.end()) return;
  const bool is_said = std::ranges::any_of(found->second, [kind](const Order& order) {
    return order.kind == kind || order.kind == OrderKind::give_spare;
  });
  if (!is_said) order(client, {kind, {}});
}

std::vector<ClientId> Threads::clients() const {
  std::vector<ClientId> clients;
  for (const auto& [client, queue] : orders_) clients.push_back(client);
  return clients;
}

void Threads::on_next_order(CallTag tag) {
  const auto found = orders_.find(tag.client);
  if (found == orders_.end() || found->second.empty()) {
    outbox_.act(Reply{tag, 0, {static_cast<std::uint64_t>(OrderKind::none)}});
    return;
  }
  const Order order = found->second.front();
  found->second.pop_front();
  const auto kind = static_cast<std::uint64_t>(order.kind);
  if (order.kind == OrderKind::end)
    outbox_.act(Reply{tag, 0, {kind, static_cast<std::uint64_t>(end_status_)}});
  else
    outbox_.act(Reply{tag, 0, {kind, raw(order.start.thread), order.start.function,
                               order.start.argument}});
}

bool Threads::on_start(NodeId from, Transaction transaction, const ThreadStart& start) {
  if (creator_of(start.thread) != from) return false;
  if (orders_.empty() || ending_) {
    outbox_.send(from, transaction, ThreadStarted{start.thread, EAGAIN});
    return true;
  }
  auto chosen = orders_.upper_bound(next_client_);
  if (chosen == orders_.end()) chosen = orders_.begin();
  const Starting starting{chosen->first, from, transaction, start.of_runtime};
  if (!starting_.emplace(start.thread, starting).second) return false;
  next_client_ = chosen->first;
  order(next_client_, {OrderKind::start_thread, start});
  return true;
}

void Threads::on_started(CallTag tag, const ThreadStarted& started) {
  const auto found = starting_.find(started.thread);
  if (found == starting_.end() || found->second.client != tag.client) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  if (started.status == 0) {
    if (!found->second.of_runtime) ++statistics_.of(tag.client).threads_run;
    running_.emplace(started.thread, Running{tag.client});
  }
  outbox_.send(found->second.from, found->second.transaction, started);
  starting_.erase(found);
  outbox_.act(Reply{tag, 0, {}});
}

// Its creator would take a thread that it does not know for a peer's lie, or, its own node's, for
// a broken invariant: a client may only end what runs in it.
void Threads::on_exited(CallTag tag, const ThreadExited& exited, TimeUs now_us) {
  const auto found = running_.find(exited.thread);
  if (found == running_.end() || found->second.client != tag.client) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  if (found->second.runs_main) last_thread_.await(tag.client, now_us);
  running_.erase(found);
  outbox_.send(creator_of(exited.thread), outbox_.new_transaction(), exited);
  outbox_.act(Reply{tag, 0, {}});
}

void Threads::on_count(NodeId from, Transaction transaction, const ThreadCount& count,
                       TimeUs now_us) {
  if (!last_thread_.on_count(from, transaction, count, now_us)) return;
  for (const ClientId client : last_thread_.clients())
    order(client, {OrderKind::last_thread_ended, {}});
}

void Threads::end(std::int32_t status) {
  if (ending_) return;
  ending_ = true;
  end_status_ = status;
  for (auto& [client, queue] : orders_) order(client, {OrderKind::end, {}});
}

// ---- cancellation ------------------------------------------------------------------------

// The order to cancel follows the order to start through the same queue. A thread that has ended
// meanwhile has nothing left to cancel.
bool Threads::on_cancel(NodeId from, const ThreadCancel& cancel) {
  if (creator_of(cancel.thread) != from) return false;
  const auto starting = starting_.find(cancel.thread);
  const auto running = running_.find(cancel.thread);
  const Order cancel_order{OrderKind::cancel_thread, {cancel.thread, 0, 0}};
  if (starting != starting_.end()) order(starting->second.client, cancel_order);
  else if (running != running_.end()) order(running->second.client, cancel_order);
  return true;
}

// From here on the C library ends the thread at its next cancellation point. If it waits in one
// of ours, that has to end; if it is about to, that must not begin: cancelled() says so.
bool Threads::on_cancelled(CallTag tag, const ThreadCancelledCall& call) {
  const auto found = running_.find(call.thread);
  if (found == running_.end() || found->second.client != tag.client) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return false;
  }
  found->second.cancelled = true;
  for (auto& [counter, waiting] : calls_) {
    if (!waiting.interruptible || waiting.join.joiner != call.thread) continue;
    if (std::exchange(waiting.delays_cancel, true)) continue;
    ++found->second.open_wait_count;
    withdraw(counter, waiting);
  }
  outbox_.act(Reply{tag, 0, {}});
  return true;
}

void Threads::await_ends(ThreadId thread, std::size_t wait_count) {
  Running& running = running_.at(thread);
  running.open_wait_count += wait_count;
  if (running.open_wait_count == 0 || planted(Bug::cancel_answered_early)) tell_cancelled(thread);
}

// Of a thread that has ended with its client: who cancels it has heard of that.
void Threads::on_wait_over(ThreadId thread) {
  const auto found = running_.find(thread);
  if (found != running_.end() && --found->second.open_wait_count == 0) tell_cancelled(thread);
}

void Threads::tell_cancelled(ThreadId thread) {
  outbox_.send(creator_of(thread), outbox_.new_transaction(), ThreadCancelled{thread});
}

bool Threads::cancelled(ThreadId thread) const {
  const auto found = running_.find(thread);
  return found != running_.end() && found->second.cancelled;
}

void Threads::withdraw(std::uint64_t counter, const Call& call) {
  outbox_.send(call.answerer, Transaction{config_.self, counter},
               ThreadControl{call.join.thread, ThreadOperation::withdraw});
}

// ---- after a removal ---------------------------------------------------------------------

void Threads::forget_node(NodeId removed, TimeUs now_us) {
  std::map<std::uint64_t, Call> unanswered;
  for (const auto& [counter, call] : calls_)
    if (call.answerer == removed) unanswered.emplace(counter, call);
  for (const auto& [counter, call] : unanswered) {
    deadlines_.erase({call.deadline_us, counter});
    calls_.erase(counter);
    const bool created = raw(call.created) != 0;
    if (created) records_.on_started(removed, {call.created, EAGAIN});
    outbox_.act(Reply{call.tag, created ? EAGAIN : ESRCH, {}});
    if (call.delays_cancel) on_wait_over(call.join.joiner);
  }
  records_.forget_node(removed);
  last_thread_.begin_anew(now_us);
}

std::uint64_t Threads::orphan_count() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      running_, [this](const auto& one) { return !in_job(creator_of(one.first)); }));
}

}  // namespace gallocy::core
