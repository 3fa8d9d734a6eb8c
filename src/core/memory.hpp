// The frames of this node, of which it may use a bounded number.
//
// A page that is not zero has a frame *reserved* at its home, wherever its copies are: so it can
// always come home, and giving a page back never waits for memory. All other copies here, of pages
// homed elsewhere and of zero pages that were only read, are the *cache*, which gives way.
//
//   reserved + cached <= limit, the bound without the slots
//   reserved <= limit - cache_min_pages
//   pinned <= cache_min_pages, of cached; less what one access needs, but for the oldest
//
// Pinned is the frame of a page that a request is under way for; it cannot be given up. The last
// two lines leave something to evict whenever a page waits for a frame and may have it, without
// which two full nodes could wait for each other. And the oldest access waits for no frame of a
// younger one's request, which may itself have to wait for an access in between.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/message.hpp"
#include "core/page_table.hpp"

namespace gallocy::core {

// A copy that its home was asked to take back.
struct Eviction {
  Transaction transaction;
  bool exclusive = false;  // the page was, and is again if the home refuses; shared meanwhile
};

class Memory {
 public:
  Memory(const Config& config, PageTable& table);

  std::uint64_t limit() const { return config_.memory_pages - config_.slot_count + surplus_; }
  std::uint64_t reserved() const { return reserved_; }
  std::uint64_t cached() const { return cached_; }
  std::uint64_t pinned() const { return pinned_; }
  std::uint64_t free() const {
    return reserved_ + cached_ < limit() ? limit() - reserved_ - cached_ : 0;
  }
  static constexpr std::uint64_t access_pages = 4;  // that one access may need at once
  static constexpr std::uint64_t kept_back_max_pages = 16'384;  // 64 MiB

  // ---- home: a page becomes, or is no longer, one that is not zero ----
  enum class Room { granted, later, never };
  Room reserve(PageNo page);
  void unreserve(PageNo page);
  bool has_room(std::uint64_t page_count) const;
  // The most that can ever be reserved.
  std::uint64_t could_reserve() const { return limit() - config_.cache_min_pages; }
  // The most of that to promise. The rest is for what is written to without a word before: stacks,
  // and what the runtime needs when the program has used up its memory.
  std::uint64_t could_promise() const {
    return could_reserve() - std::min(could_reserve() / 32, kept_back_max_pages);
  }

  // Of the chunk, which is lent from now on, so many pages will be reserved, as far as is known.
  // 0: any number, or the chunk is nobody's any more.
  void promise(ChunkNo chunk, std::uint64_t page_count);
  std::uint64_t promise_of(ChunkNo chunk) const;
  // What is promised, or reserved if that is more: of a chunk, and of all.
  std::uint64_t counted(ChunkNo chunk) const;
  std::uint64_t promised() const { return promised_; }

  // ---- requester: the page's frame in the cache ----
  // False: it has to wait until something is evicted, or another request is over. `oldest`: it is
  // for the access whose turn comes before that of all others here.
  bool pin(PageNo page, bool oldest = false);
  // For what is granted in this very step, so that it keeps nobody's frame. False: there is none.
  bool pin_at_once(PageNo page);
  // The request is over and the page here; `reserved`: in the frame that is reserved for it.
  void settle(PageNo page, Access granted, bool reserved);
  // The request is over and brought nothing.
  void unpin(PageNo page);

  // ---- holder ----
  // A read copy was given to another node.
  void became_shared(PageNo page);
  // The copy is gone; the frame stays if it is pinned.
  void leave(PageNo page);

  // ---- eviction ----
  // Oldest grant first. REQUIRES: the page is in the cache and not pinned.
  using Order = std::list<PageNo>;
  const Order& shared() const { return shared_; }
  const Order& exclusive() const { return exclusive_; }
  // Not now: as if the page had been granted just now.
  void put_off(PageNo page);
  bool evicting(PageNo page) const { return evictions_.contains(page); }
  Eviction* eviction(PageNo page, Transaction transaction);
  void begin_eviction(PageNo page, const Eviction& eviction);
  void end_eviction(PageNo page, bool exclusive);
  std::uint64_t evicted_count() const { return evicted_count_; }
  void note_evicted() { ++evicted_count_; }
  const std::unordered_map<PageNo, Eviction>& evictions() const { return evictions_; }

  // ---- after a removal ----
  // No eviction is under way any more; the copies are read copies.
  void end_evictions();
  // A copy that is in no frame yet, and nowhere else. REQUIRES: it has no frame but a pinned one.
  void adopt(PageNo page);
  // The page is not zero and homed here from now on: its frame is the one that is reserved for it.
  void come_home(PageNo page);
  // Those pages homed here are not zero. What has no other place in the job stays, even beyond the
  // bound, which is raised by that.
  void set_reserved(const std::vector<PageNo>& pages);

  // True once after there may be room for what waits.
  bool take_changed() { return std::exchange(changed_, false); }
  void note_change() { changed_ = true; }

 private:
  struct Place {
    Order* order;
    Order::iterator at;
  };
  struct ChunkPages {
    std::uint64_t promised = 0, reserved = 0;
    std::uint64_t larger() const { return std::max(promised, reserved); }
  };
  void change_chunk(ChunkNo chunk, auto change);
  void enlist(PageNo page, bool exclusive);
  void unlist(PageNo page);
  void free_frame(PageEntry& entry);
  void fit();

  const Config& config_;
  PageTable& table_;
  std::uint64_t reserved_ = 0, cached_ = 0, pinned_ = 0, evicted_count_ = 0;
  std::uint64_t surplus_ = 0;  // of the bound, since a removal
  std::uint64_t promised_ = 0;
  std::unordered_map<ChunkNo, ChunkPages> chunks_;  // of which neither number is 0
  Order shared_, exclusive_;
  std::unordered_map<PageNo, Place> places_;
  std::unordered_map<PageNo, Eviction> evictions_;
  bool changed_ = false;
};

}  // namespace gallocy::core
