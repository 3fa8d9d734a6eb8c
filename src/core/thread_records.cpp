#include "core/thread_records.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <utility>
#include <vector>

#include "core/planted.hpp"

namespace gallocy::core {

ThreadId ThreadRecords::new_id() {
  return ThreadId{std::uint64_t{raw(config_.self)} << 48 | ++id_counter_};
}

ThreadCount ThreadRecords::count() const {
  return {made_, std::accumulate(live_.begin(), live_.end(), live_of_runtime_)};
}

void ThreadRecords::add(ThreadId thread, NodeId runs_on, bool detached, bool of_runtime) {
  Record& record = records_[thread];
  record.runs_on = runs_on;
  record.detached = detached;
  record.of_runtime = of_runtime;
  ++made_;
  if (of_runtime) ++live_of_runtime_;
  else ++live_[raw(runs_on)];
}

void ThreadRecords::count_end(const Record& record) {
  if (record.of_runtime) --live_of_runtime_;
  else --live_[raw(record.runs_on)];
}

bool ThreadRecords::on_started(NodeId from, const ThreadStarted& started) {
  const auto found = records_.find(started.thread);
  if (found == records_.end() || found->second.runs_on != from) return false;
  if (started.status == 0) return true;
  count_end(found->second);
  answer_cancellers(found->second);
  records_.erase(found);
  return true;
}

bool ThreadRecords::on_exited(NodeId from, const ThreadExited& exited) {
  const auto found = records_.find(exited.thread);
  if (found == records_.end() || found->second.runs_on != from || found->second.ended)
    return false;
  Record& record = found->second;
  count_end(record);
  record.ended = true;
  record.result = exited.result;
  answer_cancellers(record);
  if (record.joiner.node != no_node && !planted(Bug::forget_joiner))
    outbox_.send(record.joiner.node, record.joiner.transaction, ThreadJoined{0, record.result});
  if (record.joiner.node != no_node || record.detached) records_.erase(found);
  return true;
}

int ThreadRecords::join_status(const ThreadJoin& join) const {
  if (join.thread == join.joiner) return EDEADLK;
  const auto found = records_.find(join.thread);
  if (found == records_.end()) return ESRCH;
  const Record& record = found->second;
  return record.detached || record.joiner.node != no_node ? EINVAL : 0;
}

bool ThreadRecords::on_join(NodeId from, Transaction transaction, const ThreadJoin& join) {
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

bool ThreadRecords::on_control(NodeId from, Transaction transaction,
                               const ThreadControl& control) {
  const auto found = records_.find(control.thread);
  if (control.operation == ThreadOperation::withdraw) {
    withdraw(found, {from, transaction});
    return true;
  }
  const bool is_known = found != records_.end();
  if (is_known && control.operation == ThreadOperation::cancel)
    cancel(found, {from, transaction});
  else
    outbox_.send(from, transaction, ThreadControlled{is_known ? detach(found) : ESRCH});
  return true;
}

int ThreadRecords::detach(Records::iterator found) {
  Record& record = found->second;
  if (record.detached || record.joiner.node != no_node) return EINVAL;
  record.detached = true;
  if (record.ended) records_.erase(found);
  return 0;
}

// A thread is cancelled once: who comes later waits for the same.
void ThreadRecords::cancel(Records::iterator found, Asker canceller) {
  auto& [thread, record] = *found;
  const bool is_first = record.cancellers.empty();
  record.cancellers.push_back(canceller);
  if (record.ended || record.cancelled) answer_cancellers(record);
  else if (is_first) outbox_.send(record.runs_on, outbox_.new_transaction(), ThreadCancel{thread});
}

bool ThreadRecords::on_cancelled(NodeId from, const ThreadCancelled& cancelled) {
  const auto found = records_.find(cancelled.thread);
  if (found == records_.end() || found->second.runs_on != from || found->second.ended)
    return false;
  found->second.cancelled = true;
  answer_cancellers(found->second);
  return true;
}

void ThreadRecords::answer_cancellers(Record& record) {
  for (const Asker& canceller : std::exchange(record.cancellers, {}))
    outbox_.send(canceller.node, canceller.transaction, ThreadControlled{});
}

// Answered only if the join waits still; otherwise its answer is on its way already.
void ThreadRecords::withdraw(Records::iterator found, Asker joiner) {
  if (found == records_.end()) return;
  Asker& waiting = found->second.joiner;
  if (waiting.node != joiner.node || waiting.transaction != joiner.transaction) return;
  waiting = {};
  outbox_.send(joiner.node, joiner.transaction, ThreadJoined{ECANCELED, 0});
}

void ThreadRecords::forget_node(NodeId removed) {
  std::vector<ThreadId> ended;
  for (auto& [thread, record] : records_) {
    if (record.joiner.node == removed) record.joiner = {};
    if (record.runs_on == removed && !record.ended) ended.push_back(thread);
  }
  std::ranges::sort(ended);
  for (const ThreadId thread : ended) on_exited(removed, {thread, result_of_the_dead});
}

}  // namespace gallocy::core
