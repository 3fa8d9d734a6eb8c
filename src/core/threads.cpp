#include "core/threads.hpp"

#include <cerrno>

namespace gallocy::core {

ThreadId Threads::new_id() {
  return ThreadId{std::uint64_t{raw(config_.self)} << 48 | ++thread_counter_};
}

ThreadId Threads::attach(ClientId client, bool runs_main) {
  orders_.try_emplace(client);
  if (runs_main) ++statistics_.of(client).threads_run;
  if (ending_) order(client, {OrderKind::end, {}});
  return new_id();
}

// Its threads stay unjoinable: when a rank dies, the job ends.
void Threads::forget_client(ClientId client) { orders_.erase(client); }

// In turn over the nodes, beginning after the creator: main() itself runs on its own node.
NodeId Threads::next_node() {
  unsigned number = raw(next_node_);
  do number = (number + 1) % max_node_count;
  while (!config_.nodes.contains(NodeId{static_cast<std::uint8_t>(number)}));
  return next_node_ = NodeId{static_cast<std::uint8_t>(number)};
}

void Threads::on_create(CallTag tag, const ThreadCreateCall& call) {
  const NodeId node = call.node == no_node ? next_node() : call.node;
  if (raw(node) >= max_node_count || !config_.nodes.contains(node)) {
    outbox_.act(Reply{tag, EINVAL, {}});
    return;
  }
  const ThreadId thread = new_id();
  records_[thread].runs_on = node;
  const Transaction transaction = outbox_.new_transaction();
  calls_[transaction.counter] = tag;
  outbox_.send(node, transaction, ThreadStart{thread, call.function, call.argument});
}

bool Threads::on_start(NodeId from, Transaction transaction, const ThreadStart& start) {
  if (creator_of(start.thread) != from) return false;
  if (orders_.empty() || ending_) {
    outbox_.send(from, transaction, ThreadStarted{start.thread, EAGAIN});
    return true;
  }
  auto chosen = orders_.upper_bound(next_client_);
  if (chosen == orders_.end()) chosen = orders_.begin();
  if (!starting_.emplace(start.thread, Starting{chosen->first, from, transaction}).second)
    return false;
  next_client_ = chosen->first;
  order(next_client_, {OrderKind::start_thread, start});
  return true;
}

void Threads::order(ClientId client, const Order& order) {
  orders_[client].push_back(order);
  outbox_.act(NotifyAgent{client});
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

void Threads::on_started(CallTag tag, const ThreadStarted& started) {
  const auto found = starting_.find(started.thread);
  if (found == starting_.end() || found->second.client != tag.client) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  if (started.status == 0) {
    ++statistics_.of(tag.client).threads_run;
    running_.emplace(started.thread, tag.client);
  }
  outbox_.send(found->second.from, found->second.transaction, started);
  starting_.erase(found);
  outbox_.act(Reply{tag, 0, {}});
}

bool Threads::on_started(NodeId from, Transaction transaction, const ThreadStarted& started) {
  const auto call = calls_.find(transaction.counter);
  const auto record = records_.find(started.thread);
  if (call == calls_.end() || record == records_.end() || record->second.runs_on != from)
    return false;
  if (started.status != 0) records_.erase(record);
  outbox_.act(Reply{call->second, started.status, {raw(started.thread)}});
  calls_.erase(call);
  return true;
}

// Its creator would take a thread that it does not know for a peer's lie, or, its own node's, for
// a broken invariant: a client may only end what runs in it.
void Threads::on_exited(CallTag tag, const ThreadExited& exited) {
  const auto found = running_.find(exited.thread);
  if (found == running_.end() || found->second != tag.client) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  running_.erase(found);
  outbox_.send(creator_of(exited.thread), outbox_.new_transaction(), exited);
  outbox_.act(Reply{tag, 0, {}});
}

bool Threads::on_exited(NodeId from, const ThreadExited& exited) {
  const auto found = records_.find(exited.thread);
  if (found == records_.end() || found->second.runs_on != from || found->second.ended)
    return false;
  Record& record = found->second;
  record.ended = true;
  record.result = exited.result;
  if (record.joiner.node == no_node) return true;
  outbox_.send(record.joiner.node, record.joiner.transaction, ThreadJoined{0, record.result});
  records_.erase(found);
  return true;
}

void Threads::on_join(CallTag tag, const ThreadJoin& join) {
  const NodeId creator = creator_of(join.thread);
  if (raw(creator) >= max_node_count || !config_.nodes.contains(creator)) {
    outbox_.act(Reply{tag, ESRCH, {}});
    return;
  }
  const Transaction transaction = outbox_.new_transaction();
  calls_[transaction.counter] = tag;
  outbox_.send(creator, transaction, join);
}

int Threads::join_status(const ThreadJoin& join) const {
  if (join.thread == join.joiner) return EDEADLK;
  const auto found = records_.find(join.thread);
  if (found == records_.end()) return ESRCH;
  return found->second.joiner.node == no_node ? 0 : EINVAL;
}

bool Threads::on_join(NodeId from, Transaction transaction, const ThreadJoin& join) {
  if (const int status = join_status(join); status != 0) {
    outbox_.send(from, transaction, ThreadJoined{status, 0});
    return true;
  }
  Record& record = records_.at(join.thread);
  if (!record.ended) {
    record.joiner = {from, transaction};
    return true;
  }
  outbox_.send(from, transaction, ThreadJoined{0, record.result});
  records_.erase(join.thread);
  return true;
}

bool Threads::on_joined(NodeId, Transaction transaction, const ThreadJoined& joined) {
  const auto call = calls_.find(transaction.counter);
  if (call == calls_.end()) return false;
  outbox_.act(Reply{call->second, joined.status, {joined.result}});
  calls_.erase(call);
  return true;
}

void Threads::end(std::int32_t status) {
  if (ending_) return;
  ending_ = true;
  end_status_ = status;
  for (auto& [client, queue] : orders_) order(client, {OrderKind::end, {}});
}

}  // namespace gallocy::core
