// Which node is home of which 2 MiB chunk. The lowest node of the job coordinates: it hands out
// runs of fresh chunks, and answers who was given one. The others cache its answers, which hold
// for the epoch.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

// What waits for the home of a chunk: a faulted page, or a request to that home.
struct ForHome {
  Transaction transaction;
  Body body;
};
using WaitsForHome = std::variant<PageNo, ForHome>;

class ChunkMap {
 public:
  ChunkMap(const Config& config, std::uint64_t page_count, Outbox& outbox);

  NodeId home_of(ChunkNo chunk) const;  // no_node: not known here
  void ask_home(ChunkNo chunk, WaitsForHome waiting);

  // A client wants `count` consecutive chunks. Answered by Reply, at once or later.
  void on_call(CallTag tag, const ChunksCall& call);

  // Of blocks freed elsewhere: the local client that owns the chunk.
  std::optional<ClientId> client_of(ChunkNo chunk) const;

  bool on_request(NodeId from, Transaction transaction, const ChunkRequest& request);
  bool on_grant(NodeId from, Transaction transaction, const ChunkGrant& grant);
  bool on_query(NodeId from, Transaction transaction, const ChunkQuery& query);
  // Gives back what waited for the answer.
  bool on_home(NodeId from, const ChunkHome& home, std::vector<WaitsForHome>& waiting);

  bool contains(ChunkNo chunk) const { return raw(chunk) < chunk_count_; }

 private:
  NodeId coordinator() const { return config_.nodes.lowest(); }
  struct Run {
    std::uint32_t first, count;
  };
  void hand_out(CallTag tag, Run& from, std::uint32_t count);
  Run* pool_run(std::uint32_t count);
  void add_to_pool(Run run);

  struct Call {
    CallTag tag;
    std::uint32_t count;
  };

  const Config& config_;
  Outbox& outbox_;
  std::uint32_t chunk_count_;
  std::unordered_map<ChunkNo, NodeId> homes_;  // at the coordinator: all that were handed out
  std::unordered_map<ChunkNo, ClientId> clients_;
  std::unordered_map<ChunkNo, std::vector<WaitsForHome>> asked_;
  std::unordered_map<std::uint64_t, Call> calls_;  // by the transaction's counter
  std::vector<Run> pool_;  // homed here, not yet a client's
  std::uint32_t fresh_ = 0;                        // coordinator: next chunk to hand out
};

}  // namespace gallocy::core
