// Threads that the program creates, as their creators, joiners and the clients that run them see
// them. What is known of a thread lies in the ThreadRecords of the node that made it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/last_thread.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/placement.hpp"
#include "core/statistics.hpp"
#include "core/thread_records.hpp"

namespace gallocy::core {

class Threads {
 public:
  Threads(const Config& config, Statistics& statistics, Outbox& outbox)
      : config_(config), statistics_(statistics), outbox_(outbox), records_(config, outbox),
        last_thread_(config, outbox), placement_(config), founders_(config.nodes) {}

  ThreadId attach(ClientId client, bool runs_main);
  void forget_client(ClientId client);

  // From local clients; each is answered by one Reply.
  void on_create(CallTag tag, const ThreadCreateCall& call);
  void on_join(CallTag tag, const ThreadJoinCall& call, TimeUs now_us);
  void on_control(CallTag tag, const ThreadControl& control);
  void on_next_order(CallTag tag);
  // To take_freed or to give_spare, if the client is there.
  void order_to_take(ClientId client, OrderKind kind);
  std::vector<ClientId> clients() const;  // attached
  void on_started(CallTag tag, const ThreadStarted& started);
  void on_exited(CallTag tag, const ThreadExited& exited, TimeUs now_us);
  // False: no thread of that client. Otherwise await_ends() follows in the same step.
  bool on_cancelled(CallTag tag, const ThreadCancelledCall& cancelled);
  void end(std::int32_t status);

  // From nodes. False: the peer may not say that.
  bool on_start(NodeId from, Transaction transaction, const ThreadStart& start);
  bool on_started(NodeId from, Transaction transaction, const ThreadStarted& started);
  bool on_exited(NodeId from, const ThreadExited& exited) {
    return records_.on_exited(from, exited);
  }
  bool on_join(NodeId from, Transaction transaction, const ThreadJoin& join) {
    return records_.on_join(from, transaction, join);
  }
  bool on_joined(NodeId from, Transaction transaction, const ThreadJoined& joined);
  bool on_control(NodeId from, Transaction transaction, const ThreadControl& control) {
    return records_.on_control(from, transaction, control);
  }
  bool on_controlled(NodeId from, Transaction transaction, const ThreadControlled& controlled);
  bool on_cancel(NodeId from, const ThreadCancel& cancel);
  bool on_cancelled(NodeId from, const ThreadCancelled& cancelled) {
    return records_.on_cancelled(from, cancelled);
  }
  void on_count_request(NodeId from, Transaction transaction) {
    ThreadCount count = records_.count();
    count.live += orphan_count();
    outbox_.send(from, transaction, count);
  }
  void on_count(NodeId from, Transaction transaction, const ThreadCount& count, TimeUs now_us);

  // A node was removed: its threads have ended, and what it knew of others is not known any more.
  void forget_node(NodeId removed, TimeUs now_us);

  // The id could be a thread's, whose creator may have been removed since.
  bool possible(ThreadId thread) const {
    const NodeId creator = creator_of(thread);
    return raw(thread) != 0 && raw(creator) < max_node_count && founders_.contains(creator);
  }
  // A wait of a cancelled thread that may be interrupted must not begin.
  bool cancelled(ThreadId thread) const;
  // Of those that had begun, so many more are withdrawn, and each says once when it is over. Who
  // cancels the thread is answered after that: what the canceller gives then is for others.
  void await_ends(ThreadId thread, std::size_t wait_count);
  void on_wait_over(ThreadId thread);

  void on_time(TimeUs now_us);
  TimeUs next_deadline() const;  // 0: none

 private:
  struct Order {
    OrderKind kind;
    ThreadStart start;  // of cancel_thread: the id only
  };
  struct Call {  // of a local client, waits for another node's answer
    CallTag tag;
    NodeId answerer = no_node;
    ThreadJoin join;            // if it is one
    bool interruptible = false;
    bool delays_cancel = false;
    ThreadId created{};         // if it is a creation
    TimeUs deadline_us = 0;     // of a join; 0: none
    bool out_of_time = false;   // it is withdrawn because of that
  };
  struct Starting {  // at the running node: who was told to, and who wants to know
    ClientId client;
    NodeId from;
    Transaction transaction;
    bool of_runtime = false;
  };
  struct Running {
    ClientId client;
    bool runs_main = false;
    bool cancelled = false;
    std::size_t open_wait_count = 0;  // that shall end since it is
  };

  bool in_job(NodeId node) const;
  std::uint64_t orphan_count() const;  // that run here and whose creator was removed
  void order(ClientId client, const Order& order);
  Transaction begin_call(CallTag tag, NodeId answerer);
  bool end_call(NodeId from, Transaction transaction, int status, std::uint64_t value = 0);
  void withdraw(std::uint64_t counter, const Call& call);
  void tell_cancelled(ThreadId thread);
  void run_out(std::uint64_t counter);

  const Config& config_;
  Statistics& statistics_;
  Outbox& outbox_;
  ThreadRecords records_;
  LastThread last_thread_;
  Placement placement_;
  NodeSet founders_;  // the members when the job began
  std::unordered_map<std::uint64_t, Call> calls_;    // by transaction counter
  std::set<std::pair<TimeUs, std::uint64_t>> deadlines_;  // of joins
  std::map<ClientId, std::deque<Order>> orders_;     // attached clients
  std::unordered_map<ThreadId, Starting> starting_;  // shall run here
  std::unordered_map<ThreadId, Running> running_;    // do run here
  ClientId next_client_{};
  bool ending_ = false;
  std::int32_t end_status_ = 0;
};

}  // namespace gallocy::core
