// Threads that the program creates: the record of one lives at the node that created it (its
// id says which), it runs in a client of any node, and anybody may join it once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/statistics.hpp"

namespace gallocy::core {

class Threads {
 public:
  Threads(const Config& config, Statistics& statistics, Outbox& outbox)
      : config_(config), statistics_(statistics), outbox_(outbox), next_node_(config.self) {}

  ThreadId attach(ClientId client, bool runs_main);
  void forget_client(ClientId client);

  // From local clients; each is answered by one Reply.
  void on_create(CallTag tag, const ThreadCreateCall& call);
  void on_join(CallTag tag, const ThreadJoin& join);
  void on_next_order(CallTag tag);
  void on_started(CallTag tag, const ThreadStarted& started);
  void on_exited(CallTag tag, const ThreadExited& exited);
  void end(std::int32_t status);

  // From nodes. False: the peer may not say that.
  bool on_start(NodeId from, Transaction transaction, const ThreadStart& start);
  bool on_started(NodeId from, Transaction transaction, const ThreadStarted& started);
  bool on_exited(NodeId from, const ThreadExited& exited);
  bool on_join(NodeId from, Transaction transaction, const ThreadJoin& join);
  bool on_joined(NodeId from, Transaction transaction, const ThreadJoined& joined);

 private:
  enum class OrderKind : std::uint64_t { none, start_thread, end };  // as ipc::OrderKind
  struct Order {
    OrderKind kind;
    ThreadStart start;
  };
  struct Joiner {
    NodeId node = no_node;
    Transaction transaction;
  };
  struct Record {
    NodeId runs_on = no_node;
    bool ended = false;
    std::uint64_t result = 0;
    Joiner joiner;
  };
  struct Starting {  // at the running node: who was told to, and who wants to know
    ClientId client;
    NodeId from;
    Transaction transaction;
  };

  ThreadId new_id();
  NodeId next_node();
  void order(ClientId client, const Order& order);
  int join_status(const ThreadJoin& join) const;

  const Config& config_;
  Statistics& statistics_;
  Outbox& outbox_;
  std::uint64_t thread_counter_ = 0;
  NodeId next_node_;
  std::unordered_map<ThreadId, Record> records_;                    // created here
  std::unordered_map<std::uint64_t, CallTag> calls_;                // by transaction counter
  std::map<ClientId, std::deque<Order>> orders_;                    // attached clients
  std::unordered_map<ThreadId, Starting> starting_;                 // shall run here
  std::unordered_map<ThreadId, ClientId> running_;                  // do run here
  ClientId next_client_{};
  bool ending_ = false;
  std::int32_t end_status_ = 0;
};

}  // namespace gallocy::core
