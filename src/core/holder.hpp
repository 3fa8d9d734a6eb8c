// The side that has a copy which somebody else needs: recalls and invalidations, delayed while
// the page is held, and the slots that keep the bytes of pages given away until the home knows
// that they arrived.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"
#include "core/requester.hpp"
#include "core/turn.hpp"

namespace gallocy::core {

// A recall or an invalidation that could not be served when it came. One per page at most,
// since the home serves one transaction per page at a time.
struct Demand {
  Transaction transaction;
  NodeId requester = no_node;
  bool invalidate = false;
  Access access = Access::write;  // what the requester will get
  Version version{};
  std::uint32_t acks_expected = 0;
  Turn rival;              // of the oldest access that waits, at first the requester's
  TimeUs arrived_us = 0;
  std::uint64_t queued_us = 0;  // before, at the home
};

class Holder {
 public:
  Holder(const Config& config, PageTable& table, const ChunkMap& chunks, Memory& memory,
         Requester& requester, Outbox& outbox);

  bool on_recall(NodeId from, Transaction transaction, const Recall& recall, TimeUs now_us);
  bool on_invalidate(NodeId from, Transaction transaction, const Invalidate& invalidate,
                     TimeUs now_us);
  // No effect if that demand was served.
  void on_hasten(Transaction transaction, const Hasten& hasten, TimeUs now_us);
  // Every page of the chunk that is here goes at once: nobody may use it any more.
  bool on_discard(NodeId from, Transaction transaction, const Discard& discard);
  bool on_release(NodeId from, Transaction transaction, const Release& release, TimeUs now_us);
  void on_time(TimeUs now_us);

  // ---- after a removal ----
  // What others wanted counts no more; they ask anew.
  void begin_epoch();
  // What is in the page's slot, if it has one.
  struct Kept {
    Transaction transaction;
    Version version{};  // that it was sent as
  };
  std::optional<Kept> kept(PageNo page) const;
  // Bytes in a slot that are the only copy become a read copy. False: there are none.
  bool take_back(PageNo page, bool homed_here);
  // All slots with pages of that home are free.
  void free_slots_of(NodeId home, TimeUs now_us);

  // `installed`: pages whose hold has begun in this step.
  void carried_out(const std::vector<PageNo>& installed);

  // 0: nothing waits for time to pass.
  TimeUs next_deadline() const { return due_.empty() ? 0 : due_.begin()->first; }
  const std::unordered_map<PageNo, Demand>& demands() const { return demands_; }
  std::uint32_t used_slot_count() const {
    return config_.slot_count - static_cast<std::uint32_t>(free_slots_.size());
  }
  std::size_t waiting_for_slot_count() const { return wants_slot_.size(); }
  std::size_t scheduled_count() const { return due_.size(); }

 private:
  bool add(PageNo page, const Demand& demand, TimeUs now_us);
  void serve_or_wait(PageNo page, TimeUs now_us);
  TimeUs ready_at(PageNo page, const Demand& demand, TimeUs now_us) const;
  void schedule(PageNo page, TimeUs at_us);
  void give_read_copy(PageNo page, const Demand& demand, TimeUs now_us);
  void give_away(PageNo page, const Demand& demand, TimeUs now_us);
  void drop(PageNo page, const Demand& demand);
  void drop_run(PageNo first, std::uint32_t count);
  void free_slot(PageEntry& entry);
  void use_free_slots(TimeUs now_us);
  void hasten_a_slot();

  const Config& config_;
  PageTable& table_;
  const ChunkMap& chunks_;
  Memory& memory_;
  Requester& requester_;
  Outbox& outbox_;
  std::unordered_map<PageNo, Demand> demands_;
  std::set<std::pair<TimeUs, PageNo>> due_;
  std::unordered_map<PageNo, TimeUs> due_of_;
  std::set<std::pair<Turn, PageNo>> wants_slot_;  // oldest first
  std::vector<std::uint16_t> free_slots_;
  struct Slot {
    PageNo page{};
    Kept kept;
    bool awaits_acks = false;  // before it is free
    Turn oldest;               // of whom its home knows that they wait for it
  };
  std::vector<Slot> slots_;
};

}  // namespace gallocy::core
