#include "core/holder.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {
namespace {

// For how long somebody else's use of the page, and not the road, made the requester wait.
std::uint64_t delay_of(const Demand& demand, TimeUs now_us) {
  return demand.queued_us + now_us - demand.arrived_us;
}

}  // namespace

Holder::Holder(const Config& config, PageTable& table, const ChunkMap& chunks, Memory& memory,
               Requester& requester, Outbox& outbox)
    : config_(config), table_(table), chunks_(chunks), memory_(memory), requester_(requester),
      outbox_(outbox), slots_(config.slot_count) {
  for (std::uint32_t slot = config.slot_count; slot > 0; --slot)
    free_slots_.push_back(static_cast<std::uint16_t>(slot - 1));
}

bool Holder::on_recall(NodeId, Transaction transaction, const Recall& recall, TimeUs now_us) {
  return add(recall.page,
             Demand{transaction, recall.requester, false, recall.access, recall.version,
                    recall.acks_expected, Turn{recall.since_us, recall.requester}, now_us,
                    recall.delayed_us},
             now_us);
}

bool Holder::on_invalidate(NodeId, Transaction transaction, const Invalidate& invalidate,
                           TimeUs now_us) {
  return add(invalidate.page,
             Demand{transaction, invalidate.requester, true, Access::write, Version{}, 0,
                    Turn{invalidate.since_us, invalidate.requester}, now_us},
             now_us);
}

void Holder::on_hasten(Transaction transaction, const Hasten& hasten, TimeUs now_us) {
  const auto found = demands_.find(hasten.page);
  if (found == demands_.end() || found->second.transaction != transaction) return;
  const Turn rival{hasten.since_us, hasten.requester};
  if (rival >= found->second.rival || planted(Bug::ignore_hasten)) return;
  // What waits for a slot is served by its rival's turn, which has changed.
  const bool wants_slot = wants_slot_.erase({found->second.rival, hasten.page}) > 0;
  if (wants_slot) wants_slot_.emplace(rival, hasten.page);
  found->second.rival = rival;
  if (wants_slot) hasten_a_slot();
  // What waits for a slot or for its installing has not been kept for anybody.
  const auto due = due_of_.find(hasten.page);
  if (due == due_of_.end()) return;
  due_.erase({due->second, hasten.page});
  due_of_.erase(due);
  serve_or_wait(hasten.page, now_us);
}

bool Holder::add(PageNo page, const Demand& demand, TimeUs now_us) {
  const PageState state = table_.at(page).state;
  const bool held = state == PageState::shared || state == PageState::exclusive ||
                    state == PageState::installing;
  if (!held || demand.requester == config_.self) return false;
  if (demand.invalidate && state == PageState::exclusive) return false;
  if (!demands_.emplace(page, demand).second) return false;
  serve_or_wait(page, now_us);
  return true;
}

// A read copy of a shared page takes nothing away; everything else waits for the hold, and then
// for an older access here that still needs the page, and then for a slot.
TimeUs Holder::ready_at(PageNo page, const Demand& demand, TimeUs now_us) const {
  const PageEntry& entry = table_.at(page);
  if (entry.state == PageState::shared && demand.access == Access::read) return now_us;
  if (now_us < entry.hold_until_us && !planted(Bug::ignore_hold)) return entry.hold_until_us;
  const TimeUs keep_until_us =
      requester_.keep_until(page, demand.rival,
                            std::max(entry.hold_until_us, demand.arrived_us));
  // Looked at again soon: what the access waits for may come any time.
  if (now_us < keep_until_us && !planted(Bug::ignore_older_access))
    return std::min(keep_until_us, now_us + config_.hold_min_us);
  return now_us;
}

void Holder::serve_or_wait(PageNo page, TimeUs now_us) {
  const Demand demand = demands_.at(page);
  const PageState state = table_.at(page).state;
  // Installed in this very step: carried_out() starts the hold and schedules this again.
  if (state == PageState::installing) return;
  if (const TimeUs at_us = ready_at(page, demand, now_us); at_us > now_us) {
    schedule(page, at_us);
    return;
  }
  const bool needs_slot = !demand.invalidate && demand.access == Access::write;
  if (needs_slot && free_slots_.empty()) {
    wants_slot_.emplace(demand.rival, page);
    hasten_a_slot();
    return;
  }
  demands_.erase(page);
  if (demand.invalidate) drop(page, demand);
  else if (demand.access == Access::read) give_read_copy(page, demand, now_us);
  else give_away(page, demand, now_us);
}

void Holder::schedule(PageNo page, TimeUs at_us) {
  if (const auto old = due_of_.find(page); old != due_of_.end()) due_.erase({old->second, page});
  due_of_[page] = at_us;
  due_.emplace(at_us, page);
}

void Holder::give_read_copy(PageNo page, const Demand& demand, TimeUs now_us) {
  PageEntry& entry = table_.at(page);
  if (entry.state == PageState::exclusive) {
    if (!planted(Bug::reader_beside_writer)) outbox_.act(Protect{page});
    entry.state = PageState::shared;
  }
  memory_.became_shared(page);
  outbox_.send(demand.requester, demand.transaction,
               PageData{page, demand.version, Access::read, demand.acks_expected,
                        delay_of(demand, now_us)},
               Payload{PayloadKind::frame, no_slot});
}

void Holder::give_away(PageNo page, const Demand& demand, TimeUs now_us) {
  PageEntry& entry = table_.at(page);
  const std::uint16_t slot = free_slots_.back();
  free_slots_.pop_back();
  GALLOCY_CHECK(entry.slot_plus_one == 0, GALLOCY_VALUE(raw(page)));
  const bool writable = entry.state == PageState::exclusive;
  entry.slot_plus_one = static_cast<std::uint16_t>(slot + 1);
  table_.leave(page);
  slots_[slot] = {page, {demand.transaction, demand.version}, demand.acks_expected > 0,
                  demand.rival};
  // Nobody may write between the copy and the drop, or that write is lost.
  if (writable && !planted(Bug::copy_before_protecting)) outbox_.act(Protect{page});
  outbox_.act(Capture{page, slot});
  outbox_.act(Drop{page});
  memory_.leave(page);
  outbox_.send(demand.requester, demand.transaction,
               PageData{page, demand.version, Access::write, demand.acks_expected,
                        delay_of(demand, now_us)},
               Payload{PayloadKind::slot, slot});
}

void Holder::drop(PageNo page, const Demand& demand) {
  const bool early = planted(Bug::acknowledge_before_unmapping);
  if (early) outbox_.send(demand.requester, demand.transaction, InvalidateAck{page});
  table_.leave(page);
  outbox_.act(Drop{page});
  memory_.leave(page);
  if (!early) outbox_.send(demand.requester, demand.transaction, InvalidateAck{page});
}

void Holder::drop_run(PageNo first, std::uint32_t count) {
  if (count == 0) return;
  outbox_.act(Drop{first, count});
  for (std::uint32_t i = 0; i < count; ++i) {
    const PageNo page{raw(first) + i};
    table_.leave(page);
    memory_.leave(page);
  }
}

bool Holder::on_discard(NodeId from, Transaction transaction, const Discard& discard) {
  const std::uint64_t first = raw(discard.chunk) * pages_per_chunk;
  const auto state_of = [&](std::uint64_t page) { return table_.at(PageNo{page}).state; };
  for (std::uint64_t page = first; page < first + pages_per_chunk; ++page)
    if (state_of(page) == PageState::installing || demands_.contains(PageNo{page})) return false;
  std::uint64_t begin = first;  // of the run of pages that are here
  for (std::uint64_t page = first; page < first + pages_per_chunk; ++page) {
    const bool kept = planted(Bug::discard_leaves_a_page) && page == first;
    if (state_of(page) != PageState::invalid && !kept) continue;
    drop_run(PageNo{begin}, static_cast<std::uint32_t>(page - begin));
    begin = page + 1;
  }
  drop_run(PageNo{begin}, static_cast<std::uint32_t>(first + pages_per_chunk - begin));
  outbox_.send(from, transaction, Discarded{discard.chunk});
  return true;
}

bool Holder::on_release(NodeId, Transaction transaction, const Release& release, TimeUs now_us) {
  PageEntry& entry = table_.at(release.page);
  if (entry.slot_plus_one == 0) return false;
  const bool is_old = kept(release.page)->transaction != transaction;
  if (is_old && !planted(Bug::accept_old_release)) return false;
  free_slot(entry);
  use_free_slots(now_us);
  return true;
}

// The oldest may have to wait for something else again (an older access here): then the slot is
// the next one's.
void Holder::use_free_slots(TimeUs now_us) {
  while (!planted(Bug::forget_slot_waiter) && !wants_slot_.empty() && !free_slots_.empty()) {
    const PageNo page = wants_slot_.begin()->second;
    wants_slot_.erase(wants_slot_.begin());
    serve_or_wait(page, now_us);
  }
  hasten_a_slot();
}

// The oldest that waits for a slot waits for nobody younger. A transfer without acknowledgements is
// over as soon as it has arrived; if there is none of these, one of the others has to be.
void Holder::hasten_a_slot() {
  if (wants_slot_.empty()) return;
  const Turn oldest = wants_slot_.begin()->first;
  Slot* next = nullptr;
  for (Slot& slot : slots_) {
    if (!slot.awaits_acks || slot.oldest <= oldest) return;
    if (next == nullptr || slot.oldest < next->oldest) next = &slot;
  }
  next->oldest = oldest;
  outbox_.send(chunks_.home_of(chunk_of(next->page)), next->kept.transaction,
               SlotWanted{next->page, oldest.node, oldest.since_us});
}

void Holder::free_slot(PageEntry& entry) {
  free_slots_.push_back(static_cast<std::uint16_t>(entry.slot_plus_one - 1));
  if (!planted(Bug::reuse_slot)) entry.slot_plus_one = 0;
}

// ---- after a removal ---------------------------------------------------------------------

void Holder::begin_epoch() {
  demands_.clear();
  due_.clear();
  due_of_.clear();
  wants_slot_.clear();
}

std::optional<Holder::Kept> Holder::kept(PageNo page) const {
  const std::uint16_t slot_plus_one = table_.at(page).slot_plus_one;
  if (slot_plus_one == 0) return std::nullopt;
  return slots_[slot_plus_one - 1].kept;
}

bool Holder::take_back(PageNo page, bool homed_here) {
  PageEntry& entry = table_.at(page);
  if (entry.slot_plus_one == 0 || entry.state != PageState::invalid) return false;
  outbox_.act(Restore{page, static_cast<std::uint32_t>(entry.slot_plus_one - 1)});
  entry.state = PageState::shared;
  entry.version = kept(page)->version;
  if (!homed_here) memory_.adopt(page);
  return true;
}

void Holder::free_slots_of(NodeId home, TimeUs now_us) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const PageNo page = slots_[i].page;
    if (table_.at(page).slot_plus_one == i + 1 && chunks_.home_of(chunk_of(page)) == home)
      free_slot(table_.at(page));
  }
  use_free_slots(now_us);
}

// ---- time --------------------------------------------------------------------------------

void Holder::on_time(TimeUs now_us) {
  while (!due_.empty() && due_.begin()->first <= now_us) {
    const PageNo page = due_.begin()->second;
    due_.erase(due_.begin());
    due_of_.erase(page);
    serve_or_wait(page, now_us);
  }
}

void Holder::carried_out(const std::vector<PageNo>& installed) {
  for (const PageNo page : installed)
    if (demands_.contains(page)) schedule(page, table_.at(page).hold_until_us);
}

}  // namespace gallocy::core
