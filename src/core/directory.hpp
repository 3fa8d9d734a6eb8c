// The home's side: who has which copy, one transaction per page at a time.
//
// Invariants: an entry that is idle is exact; exclusive <=> one owner, who is the copyset;
// a zero page was not granted for writing since it was last given back; every other page that is
// not lost has a frame reserved here. Versions of a page never go back, also when it is given back:
// after a removal they tell which of two nodes had the page later.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/census.hpp"
#include "core/config.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/turn.hpp"

namespace gallocy::core {

enum class DirectoryState : std::uint8_t {
  zero,
  shared,
  exclusive,
  lost,  // nobody has the bytes: they went with a removed node
};

struct QueuedRequest {
  NodeId from = no_node;
  Transaction transaction;
  RequestKind kind = RequestKind::read;
  TimeUs since_us = 0;  // in the job's time
  TimeUs arrived_us = 0;

  Turn turn() const { return {since_us, from}; }
};

// A copy that its holder may drop, until it says that it has: others may not write before.
struct Departure {
  NodeId node = no_node;
  Transaction transaction;
};

struct DirectoryEntry {
  DirectoryState state = DirectoryState::zero;
  bool busy = false;
  bool starved = false;  // busy, but nothing was sent yet: `current` waits for a frame
  bool denied = false;   // busy until `current` has heard that it gets none
  Version version{};
  NodeSet copyset;               // exclusive: the owner alone
  QueuedRequest current;         // valid while busy
  TimeUs started_us = 0;         // when it became that
  NodeSet asked;                 // who was sent a recall or an invalidation for `current`
  Turn oldest;                   // of all that wait; what `asked` has been told
  // Not made anew yet since a removal: who was being granted the zero page for writing.
  NodeId granted_to = no_node;
  NodeId release_to = no_node;   // who keeps the bytes in a slot until `current` is done
  std::vector<QueuedRequest> queue;
  std::vector<Departure> departures;  // of members of the copyset

  bool idle() const { return !busy && departures.empty(); }
  NodeId owner() const { return copyset.lowest(); }
};

// So that the page can come home at any time.
inline bool has_reserved_frame(const DirectoryEntry& entry) {
  const bool is_granted = entry.busy && !entry.starved && !entry.denied;
  const bool is_first_write = is_granted && entry.current.kind != RequestKind::read;
  return entry.state == DirectoryState::shared || entry.state == DirectoryState::exclusive ||
         is_first_write;
}

class Directory {
 public:
  Directory(const Config& config, Memory& memory, Outbox& outbox)
      : config_(config), memory_(memory), outbox_(outbox) {}

  // Both return false when the peer may not say that in this state.
  bool on_request(NodeId from, Transaction transaction, const PageRequest& request, TimeUs now_us);
  bool on_done(NodeId from, Transaction transaction, const Done& done, TimeUs now_us);

  // A request that is under way or queued is older than it said. One that is over: no effect.
  void on_hasten(NodeId from, Transaction transaction, const Hasten& hasten);
  // From who keeps the bytes of what is under way in a slot. One that is over: no effect.
  void on_slot_wanted(NodeId from, Transaction transaction, const SlotWanted& wanted);

  // A chunk of this home is given back; one at a time. From close() until reopen() no request for
  // its pages is begun.
  void close(ChunkNo chunk);
  // No transaction of the closed chunk is under way any more.
  bool quiet() const { return rebuilt_ && closed_busy_count_ == 0; }
  // REQUIRES for both: quiet().
  NodeSet holders_of_closed() const;
  // All copies are gone: its pages are zero.
  void reopen(TimeUs now_us);
  bool is_closed(PageNo page) const { return closed_ == chunk_of(page); }

  // The sender gives its copy back. `bytes_wanted`: they become this node's copy.
  WritebackOutcome on_writeback(NodeId from, Transaction transaction, const Writeback& writeback,
                                bool& bytes_wanted);

  // A read copy of this node's copy, which it has written until `hold_until_us` at the earliest, at
  // once or not at all: the entry does not become busy, and nobody has to say done.
  bool share_at_once(NodeId to, PageNo page, TimeUs hold_until_us, TimeUs now_us);

  // ---- after a removal ----
  // What was under way is over. Until rebuild() nothing is known but which pages are zero.
  void begin_epoch(NodeId removed, Epoch epoch);
  // Of a chunk that is homed here from now on nothing is known at all.
  void inherit(ChunkNo chunk, NodeId removed, Epoch epoch);
  // Makes the entries anew from what all members have said.
  struct TakenBack {
    NodeId node = no_node;  // has the only bytes of the page in a slot
    PageNo page{};
  };
  std::vector<TakenBack> rebuild(const Census& census);
  bool is_rebuilt() const { return rebuilt_; }
  std::vector<PageNo> reserving_pages() const;  // that are neither zero nor lost

  // There may be frames for first writes that wait for one.
  void use_room();
  std::size_t starved_count() const { return starved_.size(); }
  std::optional<Turn> oldest_starved() const;
  bool is_zero(PageNo page) const;

  // For dumps and checks. nullptr: never used, hence idle, and zero unless inherited.
  const DirectoryEntry* find(PageNo page) const;
  const std::unordered_map<PageNo, DirectoryEntry>& entries() const { return entries_; }

 private:
  struct Loss {
    NodeId with = no_node;
    Epoch since{};
  };

  DirectoryEntry& entry_of(PageNo page);
  Loss loss_of(PageNo page) const;
  bool start(PageNo page, DirectoryEntry& entry, const QueuedRequest& request, TimeUs now_us);
  void start_read(PageNo page, DirectoryEntry& entry);
  void start_write(PageNo page, DirectoryEntry& entry);
  void start_first_write(PageNo page, DirectoryEntry& entry);
  void starve(PageNo page, DirectoryEntry& entry);
  void grant_writing(PageNo page, DirectoryEntry& entry);
  void invalidate(PageNo page, DirectoryEntry& entry, NodeSet sharers);
  void recall(PageNo page, DirectoryEntry& entry, NodeId holder, Access access,
              std::uint32_t acks_expected);
  void hasten(PageNo page, DirectoryEntry& entry, const QueuedRequest& older);
  void tell(PageNo page, const DirectoryEntry& entry, NodeSet asked, Turn older);
  NodeId source_of(const DirectoryEntry& entry) const;
  void finish(PageNo page, DirectoryEntry& entry);
  void serve_queue(PageNo page, DirectoryEntry& entry, TimeUs now_us);
  bool depart(DirectoryEntry& entry, NodeId from, Transaction transaction);

  const Config& config_;
  Memory& memory_;
  Outbox& outbox_;
  std::unordered_map<PageNo, DirectoryEntry> entries_;
  std::deque<PageNo> starved_;  // oldest first
  std::optional<ChunkNo> closed_;
  std::uint32_t closed_busy_count_ = 0;  // its entries that are not idle
  std::unordered_map<ChunkNo, Version> first_versions_;  // of given back chunks, if not 0
  bool rebuilt_ = true;
  std::unordered_map<PageNo, Loss> lost_;        // or not found yet, while the directory is made
  std::unordered_map<ChunkNo, Loss> inherited_;  // pages of these without an entry are lost
};

}  // namespace gallocy::core
