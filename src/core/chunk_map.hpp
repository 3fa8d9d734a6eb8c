// Which node is home of which 2 MiB chunk. The lowest node of the job coordinates: it hands out
// runs of fresh chunks, and answers who was given one. The others cache its answers, which hold
// for the epoch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

// What waits for the home of a chunk: a faulted page, a request to that home, or a client's call.
struct ForHome {
  Transaction transaction;
  Body body;
};
using WaitsForHome = std::variant<PageNo, ForHome, CallTag>;

class ChunkMap {
 public:
  ChunkMap(const Config& config, std::uint64_t page_count, Memory& memory, Outbox& outbox);

  NodeId home_of(ChunkNo chunk) const;  // no_node: not known here
  void ask_home(ChunkNo chunk, WaitsForHome waiting);

  // A client wants consecutive chunks. Answered by Reply, at once or later.
  void on_call(CallTag tag, const ChunksCall& call);
  void on_claim_call(CallTag tag, const ClaimChunkCall& call);
  bool on_loan_request(NodeId from, Transaction transaction, const LoanRequest& request);
  bool on_loan(NodeId from, Transaction transaction, const Loan& loan);

  void on_home_call(CallTag tag, const HomeCall& call);
  // Answers such a call. no_node: nobody was ever given the chunk.
  void answer_home(CallTag tag, NodeId home);

  // Of blocks freed elsewhere: the local client that owns the chunk.
  std::optional<ClientId> client_of(ChunkNo chunk) const;

  // The chunk that begins there.
  std::optional<ChunkNo> chunk_at(std::uint64_t address) const;
  // The local client has these chunks no longer. False, and nothing has changed: it did not have
  // all of them, or they are not of one home.
  bool take_back(ClientId client, ChunkNo first, std::uint32_t count);
  // At the home: clients of that node have them no longer. False as above.
  bool end_loan(NodeId node, ChunkNo first, std::uint32_t count);
  // Chunks of this home that nobody has and that hold zeros.
  void add_to_pool(ChunkNo first, std::uint32_t count);

  bool on_request(NodeId from, Transaction transaction, const ChunkRequest& request);
  bool on_grant(NodeId from, Transaction transaction, const ChunkGrant& grant);
  bool on_query(NodeId from, Transaction transaction, const ChunkQuery& query);
  // Gives back what waited for the answer.
  bool on_home(NodeId from, const ChunkHome& home, std::vector<WaitsForHome>& waiting);

  // ---- after a removal ----
  // REQUIRES: config knows of it. Who waits to hear the home of a chunk asks anew, but for those in
  // the answer, whose chunks are in the event.
  struct Found {
    ChunkNo chunk{};
    std::vector<WaitsForHome> waiting;
  };
  std::vector<Found> begin_epoch(const MemberRemoved& removal);
  // That home can be asked for pages again; all can until there is a removal.
  void note_ready(NodeId home) { unready_.erase(home); }
  bool is_ready(NodeId home) const { return !unready_.contains(home); }
  // Clients of that member have the chunk, which this node has inherited. False: others have.
  bool note_loan(NodeId to, ChunkNo chunk);
  const std::unordered_map<ChunkNo, NodeId>& homes() const { return homes_; }

  // The coordinator has been asked for chunks and has not answered. It may have told others already
  // that they are homed here.
  bool awaits_grant() const { return grants_awaited_ > 0; }

  bool contains(ChunkNo chunk) const { return raw(chunk) < chunk_count_; }
  bool contains_address(std::uint64_t address) const {
    return address >= config_.region_address &&
           (address - config_.region_address) / chunk_bytes < chunk_count_;
  }
  // REQUIRES: contains_address(address).
  ChunkNo chunk_with(std::uint64_t address) const {
    return ChunkNo{
        static_cast<std::uint32_t>((address - config_.region_address) / chunk_bytes)};
  }

 private:
  NodeId coordinator() const { return config_.nodes.lowest(); }
  // Chunks that somebody waits for: a client here, or a node whose client wants some of this home.
  struct Wish {
    CallTag tag;              // of the client here
    NodeId node = no_node;    // who asks, and the transaction by which
    Transaction transaction;
    std::uint32_t count = 0;
    ChunkNo wanted = no_chunk;
    NodeSet others;           // that may be asked if this node has none
    NodeId asked = no_node;   // to whom the wish was sent
    bool fresh = false;       // for chunks that were never handed out, and not for a loan
    NodeId of_choice = no_node;  // none other will do
    std::uint64_t idle_pages = 0;  // see LoanRequest, as the next
    bool overcommit = false;
    bool claim = false;
    Promises promises{};      // of all that have none without
  };
  Promises promises() const;
  std::uint64_t promised_of(const Wish& wish, std::uint32_t chunk) const;
  static bool is_sparse(const Promises& known);
  bool can_promise(std::uint64_t page_count, bool overcommit) const;
  bool has_room(const Wish& wish) const;
  bool promise_rest(const Wish& wish);
  void serve(const Wish& wish, bool may_ask_coordinator);
  void own(ChunkNo chunk);
  void refuse(Wish wish);
  void refuse_here(Wish wish);
  void ask_around(Wish wish);
  void ask(Wish wish, NodeId home);
  void send_wish(Wish wish, NodeId to, Body body);
  bool take_wish(NodeId from, Transaction transaction, Wish& wish);
  void lend(const Wish& wish, ChunkNo first);
  void grant(const Wish& wish, ChunkNo first);
  void end_claim(const Wish& wish);
  void note_client(CallTag tag, ChunkNo first, std::uint32_t count);

  struct Asked {
    std::vector<WaitsForHome> waiting;
    std::size_t covered = 0;  // how many of them waited when the query was sent
  };
  void query(ChunkNo chunk, Asked& asked);

  using Pool = std::map<std::uint32_t, std::uint32_t>;  // first chunk and length of each run
  // no_chunk: there are none. Else they are in the pool no longer.
  ChunkNo take_from_pool(std::uint32_t count, ChunkNo wanted);
  bool all_of_run(ChunkNo first, std::uint32_t count, auto holds) const;

  const Config& config_;
  Memory& memory_;
  Outbox& outbox_;
  std::uint32_t chunk_count_;
  std::unordered_map<ChunkNo, NodeId> homes_;  // at the coordinator: all that were handed out
  std::unordered_map<ChunkNo, ClientId> clients_;  // what clients of this node have
  std::unordered_map<ChunkNo, NodeId> loans_;      // homed here: whose client has it
  std::unordered_map<ChunkNo, Asked> asked_;
  std::unordered_map<std::uint64_t, Wish> wishes_;  // sent on, by the transaction's counter
  std::uint32_t grants_awaited_ = 0;
  NodeSet unready_;
  Pool pool_;                // homed here, nobody's, zeros; no two runs touch
  std::uint32_t fresh_ = 0;  // coordinator: next chunk to hand out
};

}  // namespace gallocy::core
