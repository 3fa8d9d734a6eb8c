#include "machine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/describe.hpp"
#include "core/invariants.hpp"

namespace gallocy::sim {
namespace {

template <class What>
std::optional<PageNo> field_of(const What& what) {
  if constexpr (requires { what.page; }) return what.page;
  else if constexpr (requires { what.message; }) return page_of(what.message);
  else return std::nullopt;
}

}  // namespace

std::optional<PageNo> page_of(const core::Message& message) {
  return std::visit([](const auto& body) { return field_of(body); }, message.body);
}
std::optional<PageNo> page_of(const core::Event& event) {
  return std::visit([](const auto& what) { return field_of(what); }, event);
}
std::optional<PageNo> page_of(const core::Action& action) {
  return std::visit([](const auto& what) { return field_of(what); }, action);
}

Machine::Machine(const core::Config& config, std::uint64_t page_count, unsigned client_count,
                 TimeUs ahead_us, Surroundings& surroundings)
    : surroundings_(surroundings), ahead_us_(ahead_us), entries_(page_count),
      node_(std::make_unique<core::Node>(config, entries_)), frames_(page_count),
      slots_(config.slot_count), slot_pages_(config.slot_count),
      mappings_(client_count, std::vector<Mapping>(page_count, Mapping::none)) {
  for (unsigned client = 0; client < client_count; ++client)
    locks_.push_back(std::make_unique<ipc::LockTable>());
}

void Machine::step(TimeUs now_us, const core::Event& event, const Bytes& bytes) {
  touched_.clear();
  message_bytes_ = bytes;
  step_once(now_us, event);
  // In their order: one that found no room is not there any more when it is taken.
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    const core::TokenTaken taken = taken_[i];
    step_once(now_us, taken);
  }
  taken_.clear();
}

void Machine::step_once(TimeUs now_us, const core::Event& event) {
  actions_.clear();
  dropped_.reset();
  local_us_ = now_us + ahead_us_;
  if (const auto page = page_of(event)) touched_.push_back(*page);
  members_ = node_->config().nodes;  // what a step begins it may say to who is removed in it
  node_->step(now_us + ahead_us_, event, actions_);
  for (const core::Action& action : actions_) {
    surroundings_.record(id(), action);
    if (const auto page = page_of(action)) touched_.push_back(*page);
    if (const auto* const drop = std::get_if<core::Drop>(&action))
      for (std::uint32_t i = 1; i < drop->count; ++i)
        touched_.push_back(PageNo{raw(drop->page) + i});
    std::visit([this](const auto& what) { carry_out(what); }, action);
  }
  node_->carried_out(now_us + ahead_us_);
  core::check_counters(*node_);
  const core::Memory& memory = node_->memory();
  if (memory.reserved() + memory.cached() > memory.limit() || frame_count_ > memory.limit())
    throw Failure(fmt::format("node {} uses {} frames, has reserved {} and cached {} of {}",
                              raw(id()), frame_count_, memory.reserved(), memory.cached(),
                              memory.limit()));
}

TimeUs Machine::next_deadline_us() const {
  const TimeUs local_us = node_->next_deadline();
  if (local_us == 0) return 0;
  return local_us <= ahead_us_ ? 1 : local_us - ahead_us_;  // 1: at once
}

void Machine::fill(PageNo page, const Frame& bytes) {
  frames_[raw(page)] = bytes;
  ++frame_count_;
}

void Machine::require(bool holds, const char* what, PageNo page) const {
  if (!holds) throw Failure(fmt::format("node {} page {}: {}", raw(id()), raw(page), what));
}

Mapping Machine::strongest_mapping(PageNo page) const {
  Mapping strongest = Mapping::none;
  for (const auto& pages : mappings_)
    if (pages[raw(page)] != Mapping::poisoned) strongest = std::max(strongest, pages[raw(page)]);
  return strongest;
}

core::FaultCause Machine::fault_cause(ClientId client, PageNo page) const {
  if (mapping(client, page) == Mapping::read_only) return core::FaultCause::write_protect;
  return frames_[raw(page)] ? core::FaultCause::minor : core::FaultCause::missing;
}

void Machine::carry_out(const core::Send& send) {
  Bytes bytes;
  const PageNo page = page_of(send.message).value_or(PageNo{0});
  if (send.payload.kind == core::PayloadKind::frame) bytes = frames_[raw(page)];
  if (send.payload.kind == core::PayloadKind::slot) bytes = slots_.at(send.payload.slot);
  require(send.payload.kind == core::PayloadKind::none || bytes, "sends bytes it lacks", page);
  require(raw(send.to) < node_limit && members_.contains(send.to) && send.to != id(),
          "sends to nobody", page);
  check_order(send.message, page);
  surroundings_.send(id(), send.to, send.message, bytes);
}

// Before others may write, nobody here can read; before others may read, nobody here can write.
// (An acknowledgement for a prefetched page: it never came.)
void Machine::check_order(const core::Message& message, PageNo page) const {
  const Mapping mapping = strongest_mapping(page);
  const auto* const data = std::get_if<core::PageData>(&message.body);
  const bool gives_away = data != nullptr && data->access == core::Access::write;
  if (std::holds_alternative<core::InvalidateAck>(message.body) || gives_away)
    require(!frames_[raw(page)] && mapping == Mapping::none, "is given up while it is mapped",
            page);
  if ((std::holds_alternative<core::InvalidateAck>(message.body) || gives_away) && dropped_ == page)
    require(local_us_ >= entries_[raw(page)].hold_until_us, "is given up before its hold is over",
            page);
  if (data != nullptr || std::holds_alternative<core::PrefetchData>(message.body) ||
      std::holds_alternative<core::Writeback>(message.body))
    require(mapping != Mapping::writable, "is sent while it is written", page);
}

void Machine::carry_out(const core::Install& install) {
  Bytes& frame = frames_[raw(install.page)];
  if (install.source == core::Source::present) {
    require(frame.has_value(), "installs a frame that is empty", install.page);
  } else {
    require(!frame, "installs into a frame that has bytes", install.page);
    const bool zero = install.source == core::Source::zero;
    require(zero || message_bytes_, "installs a message without bytes", install.page);
    fill(install.page, zero ? Frame{} : *message_bytes_);
  }
  // Already mapped: the kernel says EEXIST, which leaves the protection alone and wakes.
  Mapping& mapping = mapping_of(install.client, install.page);
  if (mapping == Mapping::none || mapping == Mapping::poisoned)
    mapping = install.access == core::Access::write ? Mapping::writable : Mapping::read_only;
  surroundings_.wake(id(), install.client, install.page);
}

void Machine::carry_out(const core::Store& store) {
  require(!frames_[raw(store.page)], "stores into a frame that has bytes", store.page);
  require(message_bytes_.has_value(), "stores a message without bytes", store.page);
  fill(store.page, *message_bytes_);
}

void Machine::carry_out(const core::Unprotect& unprotect) {
  Mapping& mapping = mapping_of(unprotect.client, unprotect.page);
  if (mapping == Mapping::read_only) mapping = Mapping::writable;
  surroundings_.wake(id(), unprotect.client, unprotect.page);
}

void Machine::carry_out(const core::Wake& wake) {
  surroundings_.wake(id(), wake.client, wake.page);
}

void Machine::carry_out(const core::Poison& poison) {
  mapping_of(poison.client, poison.page) = Mapping::poisoned;
  surroundings_.wake(id(), poison.client, poison.page);
}

void Machine::carry_out(const core::Protect& protect) {
  for (auto& pages : mappings_)
    if (pages[raw(protect.page)] == Mapping::writable)
      pages[raw(protect.page)] = Mapping::read_only;
}

void Machine::carry_out(const core::Capture& capture) {
  require(frames_[raw(capture.page)].has_value(), "captures an empty frame", capture.page);
  require(strongest_mapping(capture.page) != Mapping::writable, "captures what is still written",
          capture.page);
  const PageNo former = slot_pages_.at(capture.slot);
  require(!slots_[capture.slot] || former == capture.page ||
              entries_[raw(former)].slot_plus_one != capture.slot + 1,
          "captures into a slot in use", capture.page);
  slots_[capture.slot] = frames_[raw(capture.page)];
  slot_pages_[capture.slot] = capture.page;
}

void Machine::carry_out(const core::Restore& restore) {
  require(!frames_[raw(restore.page)], "restores into a frame that has bytes", restore.page);
  require(slot_pages_.at(restore.slot) == restore.page, "restores another page's bytes",
          restore.page);
  fill(restore.page, slots_[restore.slot].value());
}

void Machine::fence() {
  for (auto& pages : mappings_) std::ranges::fill(pages, Mapping::none);
}

void Machine::carry_out(const core::Drop& drop) {
  if (drop.count == 1) dropped_ = drop.page;
  for (std::uint64_t page = raw(drop.page); page < raw(drop.page) + drop.count; ++page) {
    require(frames_[page].has_value(), "drops an empty frame", PageNo{page});
    for (auto& pages : mappings_)
      if (pages[page] != Mapping::poisoned) pages[page] = Mapping::none;
    frames_[page].reset();
    --frame_count_;
  }
}

void Machine::carry_out(const core::Reply& reply) { surroundings_.reply(id(), reply); }
void Machine::carry_out(const core::NotifyAgent& notify) {
  surroundings_.notify_agent(id(), notify.client);
}
void Machine::carry_out(const core::FreedPending& pending) {
  surroundings_.freed_pending(id(), pending.client, pending.count);
}
void Machine::carry_out(const core::Attached& attached) {
  surroundings_.attached(id(), attached.client, attached.thread);
}
void Machine::note_taken(ClientId client, const ipc::LockTable::Removed& removed) {
  if (removed.address != 0)
    taken_.push_back({client, removed.address, removed.owner, removed.depth});
}

// A table has room for more mutexes than a run uses. Now and then there is none all the same, or
// the last one has to leave.
void Machine::carry_out(const core::PlaceToken& place) {
  ++placed_count_;
  if (placed_count_ % 7 == 0)
    return note_taken(place.client, {place.address, place.owner, 1});
  if (placed_count_ % 5 == 0 && placed_ &&
      raw(locks(placed_->client).owner_of(placed_->address)) == 0)
    note_taken(placed_->client, locks(placed_->client).remove(placed_->address));
  const auto removed = locks(place.client).place(place.address, place.owner);
  placed_ = removed.address == place.address ? std::nullopt : std::optional(place);
  note_taken(place.client, removed);
}
void Machine::carry_out(const core::TakeToken& take) {
  if (placed_ && placed_->address == take.address) placed_.reset();
  note_taken(take.client, locks(take.client).remove(take.address));
}
void Machine::carry_out(const core::DropPeer& drop) {
  throw Failure(fmt::format("node {} drops its honest peer {}: {}", raw(id()), raw(drop.peer),
                            drop.reason));
}

}  // namespace gallocy::sim
