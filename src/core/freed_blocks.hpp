// Blocks that are freed by another client than their owner, on their way to it: in batches for
// each node, and then waiting for the owner to take them.
//
// A batch leaves when it has max_blocks or max_bytes, or is batch_us old, so that nothing stays
// behind in a program that frees no more. Which node a block's owner is on is the word of the
// client that frees it; a lie reaches a node where nobody has such a chunk, which drops it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/ids.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class FreedBlocks {
 public:
  static constexpr std::uint64_t max_bytes = 64 * 1024;
  static constexpr TimeUs batch_us = 1'000;

  FreedBlocks(const Config& config, const ChunkMap& chunks, Outbox& outbox)
      : config_(config), chunks_(chunks), outbox_(outbox) {}

  void on_freed(const BlockFreed& freed, TimeUs now_us);
  bool on_message(const BlocksFreed& message);
  void on_take(CallTag tag);
  void on_time(TimeUs now_us);
  TimeUs next_deadline() const;  // 0: none
  void forget_client(ClientId client) { waiting_.erase(client); }

 private:
  struct Batch {
    BlocksFreed message;
    std::uint64_t size_bytes = 0;
    TimeUs due_us = 0;  // 0: empty
  };
  void send(NodeId node, Batch& batch);
  void deliver(std::uint64_t address);

  const Config& config_;
  const ChunkMap& chunks_;
  Outbox& outbox_;
  std::array<Batch, max_node_count> batches_;  // by the owner's node
  std::unordered_map<ClientId, std::deque<std::uint64_t>> waiting_;
};

}  // namespace gallocy::core
