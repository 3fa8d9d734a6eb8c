// The side that lacks a page: faults waiting for a copy, and what has arrived for them.
#pragma once

#include <cstdint>
#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/directory.hpp"
#include "core/holds.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"
#include "core/prefetcher.hpp"
#include "core/statistics.hpp"
#include "core/turn.hpp"

namespace gallocy::core {

struct Waiter {
  FaultingThread who;
  Access access = Access::read;
  TimeUs faulted_us = 0;
};

// One request of this node for one page; later faults on the page join it.
struct Pending {
  Transaction transaction;
  RequestKind kind = RequestKind::read;
  NodeId home = no_node;  // no_node: being asked for
  bool sent = false;
  bool permitted = false;  // data or grant is here
  bool remote = false;     // bytes came from another node
  Access access = Access::read;
  Source source = Source::present;
  Version version{};
  std::uint32_t acks_expected = 0;
  NodeSet acks_from;
  TimeUs since_us = 0;  // of the oldest access that waits, in the job's time
  TimeUs asked_us = 0;
  std::uint64_t fetch_us = 0;  // of it, what the road took
  std::vector<Waiter> waiters;
};

class Requester {
 public:
  Requester(const Config& config, const JobClock& clock, PageTable& table, ChunkMap& chunks,
            const Directory& directory, const Prefetcher& prefetcher, Memory& memory, Holds& holds,
            Statistics& statistics, Outbox& outbox)
      : config_(config), clock_(clock), table_(table), chunks_(chunks), directory_(directory),
        prefetcher_(prefetcher), memory_(memory), holds_(holds), statistics_(statistics),
        outbox_(outbox) {}

  void on_fault(const Fault& fault, TimeUs now_us);
  void on_home_known(PageNo page, NodeId home);

  // False: the peer may not say that. A message of a transaction that is over is dropped.
  bool on_data(NodeId from, Transaction transaction, const PageData& data, TimeUs now_us);
  bool on_grant(NodeId from, Transaction transaction, const Grant& grant);
  bool on_ack(NodeId from, Transaction transaction, const InvalidateAck& ack);
  bool on_denial(NodeId from, Transaction transaction, const Denial& denial);

  // There may be frames for the requests that wait for one.
  void use_room();
  std::size_t waiting_for_frame_count() const { return wants_frame_.size(); }

  // ---- after a removal ----
  // Nothing that was asked or has come counts any more, but bytes that are here: they are a read
  // copy. Requests wait until their homes are ready.
  void begin_epoch();
  void on_ready();  // some home
  bool on_lost(NodeId from, Transaction transaction, const Lost& lost);

  void forget_client(ClientId client);

  bool has_granted() const { return !granted_.empty(); }  // a page in this step

  // Pages granted in this step: their hold starts now that the driver has mapped them.
  void carried_out(TimeUs now_us, std::vector<PageNo>& installed);

  // Until when a thread that was granted `page` and waits for another may keep it from `rival`,
  // whose turn comes after its own, beyond `from_us`; 0: there is none.
  TimeUs keep_until(PageNo page, Turn rival, TimeUs from_us) const;

  // The oldest access that waits, and whether a thread of it may need the page for it, too: one
  // thread's, since what many need may be more than there is.
  const Pending* oldest() const;
  bool is_oldest(const Pending& pending) const { return oldest()->since_us == pending.since_us; }
  bool needs(const Pending& pending, PageNo page) const;

  const std::unordered_map<PageNo, Pending>& pending() const { return pending_; }

 private:
  void resolve_locally(const Fault& fault, TimeUs faulted_us);
  void hasten(PageNo page, Pending& pending, TimeUs since_us);
  void try_submit(PageNo page, Pending& pending);
  bool found_here(PageNo page, const Pending& pending);
  bool needs_cache(PageNo page, const Pending& pending) const;
  bool pin(PageNo page, const Pending& pending);
  std::optional<Turn> wants_frame_of(PageNo page) const;
  void submit(PageNo page, Pending& pending);
  void submit_unsent();
  void submit_oldest_first(std::vector<PageNo> pages);
  void complete_if_ready(PageNo page);
  void install(PageNo page, const Pending& pending);
  void note_request_over(NodeId home);
  void ask_anew(PageNo page, Pending& pending);
  void end_poisoned(const Pending& pending, Poison with);
  Pending* current(PageNo page, Transaction transaction);

  struct Granted {
    PageNo page;
    PageState state;
    std::uint64_t hold_us;
    std::vector<FaultingThread> threads;
  };

  const Config& config_;
  const JobClock& clock_;
  PageTable& table_;
  ChunkMap& chunks_;
  const Directory& directory_;
  const Prefetcher& prefetcher_;
  Memory& memory_;
  Holds& holds_;
  Statistics& statistics_;
  Outbox& outbox_;
  std::unordered_map<PageNo, Pending> pending_;
  std::vector<Granted> granted_;
  std::array<std::uint32_t, max_node_count> outstanding_{};
  std::vector<PageNo> unsent_;  // wait for others to be answered
  std::vector<PageNo> wants_frame_;
  std::vector<PageNo> awaits_ready_;  // wait for their home to be ready
  std::vector<PageNo> blocked_;  // by an eviction or a prefetch of the page, which will end
};

}  // namespace gallocy::core
