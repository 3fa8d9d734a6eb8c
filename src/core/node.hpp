// The protocol state of one job on one node: events in, actions out, nothing else.
//
// Not thread-safe. Per event: step(), carry out all actions in order, carried_out().
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/chunk_map.hpp"
#include "core/chunk_returns.hpp"
#include "core/config.hpp"
#include "core/directory.hpp"
#include "core/early_requests.hpp"
#include "core/event.hpp"
#include "core/evictor.hpp"
#include "core/freed_blocks.hpp"
#include "core/gathering.hpp"
#include "core/holder.hpp"
#include "core/holds.hpp"
#include "core/homes.hpp"
#include "core/memory.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"
#include "core/prefetcher.hpp"
#include "core/recovery.hpp"
#include "core/requester.hpp"
#include "core/root.hpp"
#include "core/statistics.hpp"
#include "core/sync_calls.hpp"
#include "core/sync_objects.hpp"
#include "core/threads.hpp"

namespace gallocy::core {

class Node {
 public:
  // `entries`: one per page of the region, a whole number of chunks; outlives the Node.
  Node(const Config& config, std::span<PageEntry> entries);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Appends to `actions`. `now_us` never goes back.
  void step(TimeUs now_us, const Event& event, Actions& actions);

  // The actions of the last step have been carried out, at `now_us`.
  void carried_out(TimeUs now_us);

  // When to send a Tick at the latest; 0: no need.
  TimeUs next_deadline() const;

  const Config& config() const { return config_; }
  const PageTable& table() const { return table_; }
  const Directory& directory() const { return directory_; }
  const Requester& requester() const { return requester_; }
  const Holder& holder() const { return holder_; }
  const Memory& memory() const { return memory_; }
  const Prefetcher& prefetcher() const { return prefetcher_; }
  const ChunkMap& chunks() const { return chunks_; }
  const ChunkReturns& returns() const { return returns_; }
  const SyncObjects& sync_objects() const { return sync_objects_; }
  const SyncCalls& sync_calls() const { return sync_calls_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  bool can_return_chunks() const {
    return returns_.can_proceed() && !sync_objects_.awaits_forgotten();
  }
  void on(TimeUs now_us, const Fault& fault);
  void on(TimeUs now_us, const PeerMessage& message);
  void on(TimeUs now_us, const ClientAttached& attached);
  void on(TimeUs now_us, const ClientGone& gone);
  void on(TimeUs now_us, const ClientCall& call);
  void on(TimeUs now_us, const BlockFreed& freed);
  void on(TimeUs now_us, const TokenTaken& taken);
  void on(TimeUs now_us, const MemberRemoved& removal);
  void on(TimeUs now_us, const JobEnding& ending);
  void on(TimeUs now_us, const Tick& tick);

  void receive(NodeId from, const Message& message, TimeUs now_us);
  void drop_peer(NodeId peer);
  void drain_local(TimeUs now_us);
  void use_room(TimeUs now_us);

  struct Received {
    NodeId from;
    Transaction transaction;
    TimeUs now_us;
  };
  bool handle(const Received& from, const PageRequest& body);
  bool handle(const Received& from, const Recall& body);
  bool handle(const Received& from, const Invalidate& body);
  bool handle(const Received& from, const Hasten& body);
  bool handle(const Received& from, const SlotWanted& body);
  bool handle(const Received& from, const InvalidateAck& body);
  bool handle(const Received& from, const PageData& body);
  bool handle(const Received& from, const Grant& body);
  bool handle(const Received& from, const Done& body);
  bool handle(const Received& from, const Release& body);
  bool handle(const Received& from, const ChunkRequest& body);
  bool handle(const Received& from, const ChunkGrant& body);
  bool handle(const Received& from, const ChunkQuery& body);
  bool handle(const Received& from, const ChunkHome& body);
  bool handle(const Received& from, const SyncRequest& body);
  bool handle(const Received& from, const SyncReply& body);
  bool handle(const Received& from, const ThreadStart& body);
  bool handle(const Received& from, const ThreadStarted& body);
  bool handle(const Received& from, const ThreadExited& body);
  bool handle(const Received& from, const ThreadJoin& body);
  bool handle(const Received& from, const ThreadJoined& body);
  bool handle(const Received& from, const BlocksFreed& body);
  bool handle(const Received& from, const GatherFreed& body);
  bool handle(const Received& from, const FreedGathered& body);
  bool handle(const Received& from, const ThreadControl& body);
  bool handle(const Received& from, const ThreadControlled& body);
  bool handle(const Received& from, const ThreadCancel& body);
  bool handle(const Received& from, const ThreadCancelled& body);
  bool handle(const Received& from, const ThreadCountRequest& body);
  bool handle(const Received& from, const ThreadCount& body);
  bool handle(const Received& from, const RootRequest& body);
  bool handle(const Received& from, const RootReply& body);
  bool handle(const Received& from, const ChunkReturn& body);
  bool handle(const Received& from, const ChunkReturned& body);
  bool handle(const Received& from, const Discard& body);
  bool handle(const Received& from, const Discarded& body);
  bool handle(const Received& from, const LoanRequest& body);
  bool handle(const Received& from, const Loan& body);
  bool handle(const Received& from, const Writeback& body);
  bool handle(const Received& from, const WritebackAck& body);
  bool handle(const Received& from, const Denial& body);
  bool handle(const Received& from, const PrefetchRequest& body);
  bool handle(const Received& from, const PrefetchAnswer& body);
  bool handle(const Received& from, const PrefetchData& body);
  bool handle(const Received& from, const Report& body);
  bool handle(const Received& from, const Rebuilt& body);
  bool handle(const Received& from, const Lost& body);
  bool handle(const Received& from, const TokenRecall& body);
  bool handle(const Received& from, const TokenReturn& body);
  bool handle(const Received& from, const Unheld& body);

  void call(CallTag tag, const ChunksCall& call, TimeUs now_us);
  void call(CallTag tag, const SyncCall& call, TimeUs now_us);
  void call(CallTag tag, const ConditionWaitCall& call, TimeUs now_us);
  void call(CallTag tag, const ThreadCreateCall& call, TimeUs now_us);
  void call(CallTag tag, const ThreadJoinCall& call, TimeUs now_us);
  void call(CallTag tag, const NextOrderCall& call, TimeUs now_us);
  void call(CallTag tag, const ThreadStarted& call, TimeUs now_us);
  void call(CallTag tag, const ThreadExited& call, TimeUs now_us);
  void call(CallTag tag, const TakeFreedCall& call, TimeUs now_us);
  void call(CallTag tag, const GatherFreedCall& call, TimeUs now_us);
  void call(CallTag tag, const ThreadControl& call, TimeUs now_us);
  void call(CallTag tag, const ThreadCancelledCall& call, TimeUs now_us);
  void call(CallTag tag, const ThreadInterruptedCall& call, TimeUs now_us);
  void call(CallTag tag, const RootRequest& call, TimeUs now_us);
  void call(CallTag tag, const ReturnChunksCall& call, TimeUs now_us);
  void call(CallTag tag, const ClaimChunkCall& call, TimeUs now_us);
  void call(CallTag tag, const HomeCall& call, TimeUs now_us);
  void call(CallTag tag, const PrefetchCall& call, TimeUs now_us);

  // Of messages to the home that came before the node knows that it is the home.
  bool is_early(const Message& message) const;
  bool early(const Received& from, const PageRequest& body);
  bool early(const Received& from, const Hasten& body);
  bool early(const Received& from, const SyncRequest& body);
  bool early(const Received&, const auto&) { return false; }
  void receive_early(TimeUs now_us);

  void keep_newer(NodeId from, const Message& message);
  void receive_newer(TimeUs now_us);
  void rebuild();
  void learn_home(ChunkNo chunk, NodeId home, const std::vector<WaitsForHome>& waiting,
                  TimeUs now_us);
  bool from_home(NodeId from, PageNo page) const;

  Config config_;
  JobClock clock_;
  PageTable table_;
  Outbox outbox_;
  Statistics statistics_;
  Memory memory_;
  ChunkMap chunks_;
  Homes homes_;
  Holds holds_;
  Directory directory_;
  ChunkReturns returns_;
  Prefetcher prefetcher_;
  Requester requester_;
  Holder holder_;
  Evictor evictor_;
  Threads threads_;
  SyncObjects sync_objects_;
  SyncCalls sync_calls_;
  Root root_;
  FreedBlocks freed_;
  Gathering gathering_;
  EarlyRequests early_;
  Recovery recovery_;
  static constexpr std::size_t max_newer = 65'536;
  std::vector<PeerMessage> newer_;  // of epochs that this node has not heard of
  std::vector<PageNo> installed_;
  bool carrying_out_ = false;
};

}  // namespace gallocy::core
