// When main() has ended by pthread_exit and not by a return, its process ends with the job's last
// thread. This finds out that it has ended, at the node of the client that ran main(); where every
// rank runs main() there may be several such clients on a node.
//
// A thread may make another on a second node while this asks a third, so that each, asked at its
// own time, says "none". Hence two rounds: if in both nobody lives and the number of threads ever
// made is the same, then between the rounds nobody lived, and who could make one since?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class LastThread {
 public:
  LastThread(const Config& config, Outbox& outbox) : config_(config), outbox_(outbox) {}

  void await(ClientId client, TimeUs now_us);
  void forget_client(ClientId client);
  // A node that was asked may be gone.
  void begin_anew(TimeUs now_us);

  // True: the job has no thread any more, and clients() are to be told.
  bool on_count(NodeId from, Transaction transaction, const ThreadCount& count, TimeUs now_us);
  const std::vector<ClientId>& clients() const { return clients_; }

  void on_time(TimeUs now_us);
  TimeUs next_deadline() const { return next_round_us_; }  // 0: none

 private:
  static constexpr TimeUs interval_us = 10'000;

  const Config& config_;
  Outbox& outbox_;
  std::vector<ClientId> clients_;  // that wait
  TimeUs next_round_us_ = 0;  // 0: a round is under way, or nobody waits
  Transaction round_;
  NodeSet missing_;                 // have not answered in this round
  ThreadCount sum_;                 // of those that have
  std::optional<std::uint64_t> made_;  // in the last round, if nobody lived
};

}  // namespace gallocy::core
