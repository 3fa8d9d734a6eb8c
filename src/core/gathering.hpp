// Before a client that has found no room takes that for the end, everybody gives what nobody uses:
// blocks that were freed by others than their owners, who wait and did not notice, and chunks that
// heaps only keep for their next block.
//
// The client's node asks every node, itself too. Each sends what it had put into batches, and
// orders its clients; it answers when they have followed, or after limit_us, since a process may
// stand still. What was in batches may reach its owner's node after the answer of that: so the
// client is told to ask again if there was anything, or if anything has come back since.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/node_set.hpp"
#include "core/chunk_returns.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/freed_blocks.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class Gathering {
 public:
  static constexpr TimeUs limit_us = 200'000;

  Gathering(const Config& config, FreedBlocks& freed, const ChunkReturns& returns, Outbox& outbox)
      : config_(config), freed_(freed), returns_(returns), outbox_(outbox) {}

  // A client asks for it. Answered by Reply.
  void on_call(CallTag tag);
  // False: the peer may not say that.
  bool on_request(NodeId from, Transaction transaction, TimeUs now_us);
  bool on_gathered(NodeId from, Transaction transaction, const FreedGathered& gathered);

  // That node will not answer, and needs no answer.
  void begin_epoch(NodeId removed);

  void on_time(TimeUs now_us);
  TimeUs next_deadline() const;  // 0: none

 private:
  struct Call {
    CallTag tag;
    NodeSet awaited;
    bool again = false;
  };
  struct Request {
    NodeId from = no_node;
    Transaction transaction;
    std::uint64_t progress_before = 0;
    bool sent = false;
    TimeUs due_us = 0;
  };
  // Grows with all that clients here take and give back.
  std::uint64_t progress() const { return returns_.call_count() + freed_.taken_count(); }
  void end_if_all_answered(std::uint64_t counter);

  const Config& config_;
  FreedBlocks& freed_;
  const ChunkReturns& returns_;
  Outbox& outbox_;
  std::unordered_map<std::uint64_t, Call> calls_;  // by the transaction's counter
  std::vector<Request> requests_;  // in the order of their times
};

}  // namespace gallocy::core
