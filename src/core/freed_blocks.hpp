// Blocks that are freed by another client than their owner, on their way to it: in batches for
// each node, and then waiting for the owner to take them.
//
// A batch leaves when it has max_blocks or max_bytes, or is batch_us old, so that nothing stays
// behind in a program that frees no more. Which node a block's owner is on is the word of the
// client that frees it; a lie reaches a node where nobody has such a chunk, which drops it.
//
// An owner takes its blocks when it allocates or frees. One that does neither, since all of its
// threads wait for others, is ordered to after order_us.
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
#include "core/threads.hpp"

namespace gallocy::core {

class FreedBlocks {
 public:
  static constexpr std::uint64_t max_bytes = 64 * 1024;
  static constexpr TimeUs batch_us = 1'000;
  static constexpr TimeUs order_us = 10'000;

  FreedBlocks(const Config& config, const ChunkMap& chunks, Threads& threads, Outbox& outbox)
      : config_(config), chunks_(chunks), threads_(threads), outbox_(outbox) {}

  void on_freed(const BlockFreed& freed, TimeUs now_us);
  bool on_message(const BlocksFreed& message, TimeUs now_us);
  void on_take(CallTag tag, const TakeFreedCall& call, TimeUs now_us);
  void on_time(TimeUs now_us);
  TimeUs next_deadline() const;  // 0: none
  void forget_client(ClientId client) { owners_.erase(client); }

  // Batches leave at once. Whether there was any.
  bool send_all();
  // Every client is ordered to take its blocks at once, and to give what it only keeps.
  void order_all();
  // That has been done: whoever took blocks or was ordered to has asked again, and has got none. So
  // it has returned by now what became free.
  bool idle() const { return owners_.empty(); }
  std::uint64_t taken_count() const { return taken_count_; }

 private:
  struct Batch {
    BlocksFreed message;
    std::uint64_t size_bytes = 0;
    TimeUs due_us = 0;  // 0: empty
  };
  struct Owner {
    std::deque<std::uint64_t> blocks;  // none: it has taken them, and has not asked since
    TimeUs due_us = 0;  // of the order to take them; 0: given
    bool must_give = false;  // what it only keeps
  };
  void send(NodeId node, Batch& batch);
  void deliver(std::uint64_t address, TimeUs now_us);

  const Config& config_;
  const ChunkMap& chunks_;
  Threads& threads_;
  Outbox& outbox_;
  std::array<Batch, max_node_count> batches_;  // by the owner's node
  std::unordered_map<ClientId, Owner> owners_;
  std::uint64_t taken_count_ = 0;  // blocks, ever
};

}  // namespace gallocy::core
