#include "core/memory.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

Memory::Memory(const Config& config, PageTable& table) : config_(config), table_(table) {
  GALLOCY_CHECK(config.cache_min_pages > 0);
  GALLOCY_CHECK(config.memory_pages > config.slot_count + config.cache_min_pages,
                GALLOCY_VALUE(config.memory_pages), GALLOCY_VALUE(config.slot_count));
}

// ---- home --------------------------------------------------------------------------------

Memory::Room Memory::reserve(PageNo page) {
  if (reserved_ >= could_reserve()) return Room::never;
  if (free() == 0) return Room::later;
  ++reserved_;
  change_chunk(chunk_of(page), [](ChunkPages& pages) { ++pages.reserved; });
  return Room::granted;
}

void Memory::unreserve(PageNo page) {
  GALLOCY_CHECK(reserved_ > 0);
  --reserved_;
  if (!planted(Bug::forget_page_of_chunk))
    change_chunk(chunk_of(page), [](ChunkPages& pages) { --pages.reserved; });
  changed_ = true;
}

void Memory::change_chunk(ChunkNo chunk, auto change) {
  const auto counted = chunks_.try_emplace(chunk).first;
  ChunkPages& pages = counted->second;
  promised_ -= pages.larger();
  change(pages);
  promised_ += pages.larger();
  if (pages.larger() == 0) chunks_.erase(counted);
}

void Memory::promise(ChunkNo chunk, std::uint64_t page_count) {
  change_chunk(chunk, [page_count](ChunkPages& pages) { pages.promised = page_count; });
}

std::uint64_t Memory::promise_of(ChunkNo chunk) const {
  const auto counted = chunks_.find(chunk);
  return counted == chunks_.end() ? 0 : counted->second.promised;
}

std::uint64_t Memory::counted(ChunkNo chunk) const {
  const auto counted = chunks_.find(chunk);
  return counted == chunks_.end() ? 0 : counted->second.larger();
}

bool Memory::has_room(std::uint64_t page_count) const {
  return page_count <= could_reserve() - reserved_;
}

// ---- requester ---------------------------------------------------------------------------

bool Memory::pin(PageNo page, bool oldest) {
  if (table_.at(page).frame == FrameUse::pinned) return true;
  const bool may_pin = pinned_ + (oldest ? 0 : access_pages) < config_.cache_min_pages;
  return may_pin && pin_at_once(page);
}

bool Memory::pin_at_once(PageNo page) {
  PageEntry& entry = table_.at(page);
  if (entry.frame == FrameUse::pinned) return true;
  if (entry.frame == FrameUse::none && free() == 0) return false;
  if (entry.frame == FrameUse::none) ++cached_;
  else unlist(page);
  entry.frame = FrameUse::pinned;
  ++pinned_;
  return true;
}

void Memory::settle(PageNo page, Access granted, bool reserved) {
  PageEntry& entry = table_.at(page);
  if (reserved) return unpin(page);
  GALLOCY_CHECK(entry.frame == FrameUse::pinned, GALLOCY_VALUE(raw(page)));
  --pinned_;
  entry.frame = FrameUse::cached;
  changed_ = true;
  enlist(page, granted == Access::write);
}

void Memory::unpin(PageNo page) {
  PageEntry& entry = table_.at(page);
  if (entry.frame != FrameUse::pinned) return;
  --pinned_;
  free_frame(entry);
}

void Memory::free_frame(PageEntry& entry) {
  entry.frame = FrameUse::none;
  if (!planted(Bug::forget_frame)) --cached_;
  changed_ = true;
}

// ---- holder ------------------------------------------------------------------------------

void Memory::became_shared(PageNo page) {
  if (const auto found = evictions_.find(page); found != evictions_.end())
    found->second.exclusive = false;
  const auto place = places_.find(page);
  if (place == places_.end() || place->second.order != &exclusive_) return;
  unlist(page);
  enlist(page, false);
}

void Memory::leave(PageNo page) {
  evictions_.erase(page);
  PageEntry& entry = table_.at(page);
  if (entry.frame != FrameUse::cached) return;
  unlist(page);
  free_frame(entry);
}

// ---- eviction ----------------------------------------------------------------------------

void Memory::put_off(PageNo page) {
  const auto found = places_.find(page);
  GALLOCY_CHECK(found != places_.end(), GALLOCY_VALUE(raw(page)));
  Order& order = *found->second.order;
  order.splice(order.end(), order, found->second.at);
}

void Memory::enlist(PageNo page, bool exclusive) {
  Order& order = exclusive ? exclusive_ : shared_;
  order.push_back(page);
  const bool fresh = places_.emplace(page, Place{&order, std::prev(order.end())}).second;
  GALLOCY_CHECK(fresh, GALLOCY_VALUE(raw(page)));
}

void Memory::unlist(PageNo page) {
  const auto found = places_.find(page);
  if (found == places_.end()) return;  // being evicted
  found->second.order->erase(found->second.at);
  places_.erase(found);
}

Eviction* Memory::eviction(PageNo page, Transaction transaction) {
  const auto found = evictions_.find(page);
  if (found == evictions_.end()) return nullptr;
  const bool current = found->second.transaction == transaction;
  if (!current && !planted(Bug::accept_old_writeback_ack)) return nullptr;
  return &found->second;
}

void Memory::begin_eviction(PageNo page, const Eviction& eviction) {
  unlist(page);
  evictions_[page] = eviction;
}

void Memory::end_eviction(PageNo page, bool exclusive) {
  evictions_.erase(page);
  changed_ = true;
  enlist(page, exclusive);
}

// ---- after a removal ---------------------------------------------------------------------

void Memory::end_evictions() {
  std::vector<PageNo> pages;
  for (const auto& [page, eviction] : evictions_) pages.push_back(page);
  for (const PageNo page : pages) end_eviction(page, false);
}

void Memory::adopt(PageNo page) {
  PageEntry& entry = table_.at(page);
  if (entry.frame == FrameUse::pinned) return;
  ++cached_;
  entry.frame = FrameUse::cached;
  enlist(page, false);
  fit();
}

void Memory::come_home(PageNo page) {
  PageEntry& entry = table_.at(page);
  if (entry.frame == FrameUse::none) return;
  if (entry.frame == FrameUse::pinned) --pinned_;
  else unlist(page);
  free_frame(entry);
}

void Memory::set_reserved(const std::vector<PageNo>& pages) {
  reserved_ = pages.size();
  std::unordered_map<ChunkNo, ChunkPages> before = std::exchange(chunks_, {});
  promised_ = 0;
  for (const auto& [chunk, counted] : before) promise(chunk, counted.promised);
  for (const PageNo page : pages)
    change_chunk(chunk_of(page), [](ChunkPages& counted) { ++counted.reserved; });
  changed_ = true;
  fit();
}

void Memory::fit() {
  const std::uint64_t needed = reserved_ + std::max(cached_, config_.cache_min_pages);
  if (needed > limit()) surplus_ += needed - limit();
}

}  // namespace gallocy::core
