// Chunks that clients give back. Their home makes every page of them zero again on all nodes, one
// chunk after the other, and puts them into its pool:
//
//   closing     no request for a page of the chunk is begun any more; those under way end
//   discarding  whoever has copies drops all of them and says so
//   open        no node has a copy, requests that waited are served with zeros
//
// Between closing and discarding the chunk is quiet: nobody sends or expects anything about its
// pages, so one message for the whole chunk tells a holder all, and no state of a page is special.
// A request that comes meanwhile is a mistake of the program (or a page fault that was resolved
// before and is reported late).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/directory.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class ChunkReturns {
 public:
  ChunkReturns(const Config& config, ChunkMap& chunks, Directory& directory, Outbox& outbox)
      : config_(config), chunks_(chunks), directory_(directory), outbox_(outbox) {}

  // A client gives back chunks. Answered by Reply when all their pages are zero.
  void on_call(CallTag tag, const ReturnChunksCall& call);

  // False: the peer may not say that.
  bool on_return(NodeId from, Transaction transaction, const ChunkReturn& what);
  bool on_returned(NodeId from, Transaction transaction);
  bool on_discarded(NodeId from, Transaction transaction, const Discarded& what, TimeUs now_us);

  // A removal: the home of what clients here gave back may be gone; copies of the closed chunk are
  // asked for once more.
  void begin_epoch(NodeId removed);

  // First of all in a step: pages that were installed in the step before are installed now.
  // REQUIRES: can_proceed().
  void proceed(TimeUs now_us);
  // A step is needed to go on.
  bool can_proceed() const {
    return current_ ? !current_->discarding && directory_.quiet() : !waiting_.empty();
  }
  // How often clients here have given back chunks.
  std::uint64_t call_count() const { return call_count_; }
  bool idle() const { return !current_ && waiting_.empty() && calls_.empty(); }

 private:
  struct Run {  // at the home: one client's chunks, not yet closed
    NodeId from = no_node;
    Transaction transaction;
    ChunkNo first{};
    std::uint32_t count = 0;
  };
  struct Current {
    ChunkNo chunk{};
    bool discarding = false;
    Transaction transaction;  // of discarding
    NodeSet awaited;
  };
  struct Call {  // at the client's node
    CallTag tag;
    NodeId home = no_node;
  };
  void discard(TimeUs now_us);
  void finish(TimeUs now_us);

  const Config& config_;
  ChunkMap& chunks_;
  Directory& directory_;
  Outbox& outbox_;
  std::uint64_t call_count_ = 0;
  std::deque<Run> waiting_;        // the first one's chunk is the current one, if there is one
  std::optional<Current> current_;
  std::unordered_map<std::uint64_t, Call> calls_;  // by transaction counter
};

}  // namespace gallocy::core
