// What this node holds of each page. The entries live in memory that the driver supplies (a
// memfd beside the pages, sparse, all zeros at first), so that they outlive the process; hence
// fixed-width, trivially copyable and free of pointers.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/check.hpp"
#include "base/ids.hpp"
#include "core/event.hpp"

namespace gallocy::core {

enum class PageState : std::uint8_t {
  invalid = 0,  // no copy here; the frame is empty
  shared,       // clean copy, mapped read-only
  exclusive,    // the only copy, writable
  leaving,      // being taken away; the bytes go to `slot`. Written before anything is unmapped
  installing,   // granted; the frame may have the bytes but nothing maps it yet
};

// Whether the page's frame here is one of the cache (memory.hpp).
enum class FrameUse : std::uint8_t {
  none = 0,  // no frame, or the one that is reserved at the home
  pinned,    // a request for the page is under way, with a copy here or without
  cached,
};

struct PageEntry {
  PageState state;
  FrameUse frame;
  std::uint16_t slot_plus_one;    // in-flight slot with the bytes of a page given away; 0: none
  Version version;                // of the bytes held
  std::uint64_t hold_until_us;    // the page stays until then
};
static_assert(sizeof(PageEntry) == 16 && std::is_trivially_copyable_v<PageEntry>);

class PageTable {
 public:
  explicit PageTable(std::span<PageEntry> entries) : entries_(entries) {}

  std::uint64_t page_count() const { return entries_.size(); }
  bool contains(PageNo page) const { return raw(page) < entries_.size(); }
  PageEntry& at(PageNo page) {
    GALLOCY_CHECK(contains(page), GALLOCY_VALUE(raw(page)), GALLOCY_VALUE(entries_.size()));
    return entries_[raw(page)];
  }
  const PageEntry& at(PageNo page) const { return const_cast<PageTable*>(this)->at(page); }

  // The page is dropped in this step. It may be granted anew in the same step, after that.
  void leave(PageNo page) {
    at(page).state = PageState::leaving;
    left_.push_back(page);
  }
  void carried_out() {
    for (const PageNo page : left_)
      if (at(page).state == PageState::leaving) at(page).state = PageState::invalid;
    left_.clear();
  }

  bool suffices(PageNo page, Access access) const {
    const PageState state = at(page).state;
    return state == PageState::exclusive ||
           (state == PageState::shared && access == Access::read);
  }

 private:
  std::span<PageEntry> entries_;
  std::vector<PageNo> left_;  // in this step
};

}  // namespace gallocy::core
