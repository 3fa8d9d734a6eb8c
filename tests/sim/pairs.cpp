#include "pairs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "pair_rules.hpp"

namespace gallocy::sim {
namespace {

const char* why_impossible(std::span<const Impossible> all, const char* state, const char* event) {
  const auto is = [](const char* pattern, const char* name) {
    return pattern == nullptr || std::strcmp(pattern, name) == 0;
  };
  const auto found = std::ranges::find_if(
      all, [&](const Impossible& one) { return is(one.state, state) && is(one.event, event); });
  return found == all.end() ? nullptr : found->why;
}

bool is_put_aside(const char* event) {
  return std::ranges::any_of(put_aside, [event](const char* one) {
    return std::strcmp(one, event) == 0;
  });
}

template <class Body>
constexpr int page_event_of = -1;
template <> constexpr int page_event_of<core::Invalidate> = invalidate;
template <> constexpr int page_event_of<core::PageData> = page_data;
template <> constexpr int page_event_of<core::Grant> = grant;
template <> constexpr int page_event_of<core::InvalidateAck> = invalidate_ack;
template <> constexpr int page_event_of<core::Release> = release;
template <> constexpr int page_event_of<core::WritebackAck> = writeback_ack;
template <> constexpr int page_event_of<core::Denial> = denial;
template <> constexpr int page_event_of<core::PrefetchData> = prefetch_data;
template <> constexpr int page_event_of<core::Lost> = lost_page;

bool homed_at(const Machine& machine, PageNo page) {
  return raw(page) < machine.page_count() &&
         machine.node().chunks().home_of(chunk_of(page)) == machine.id();
}

unsigned state_at_home(const Machine& machine, PageNo page) {
  const core::DirectoryEntry* const entry = machine.node().directory().find(page);
  if (entry == nullptr) return machine.node().directory().is_zero(page) ? 0 : 11;
  if (entry->state == core::DirectoryState::lost) return 11;
  if (entry->starved) return 6;
  if (entry->denied) return 7;
  const auto state = static_cast<unsigned>(entry->state);
  if (entry->busy) return 3 + state;
  if (machine.node().directory().is_closed(page)) return 10;  // idle, or all but
  if (entry->departures.empty()) return state;
  return state == 0 ? 8 : 9;
}

// Of the pages of a run of chunks.
template <class Visit>
void for_each_page(ChunkNo first, std::uint64_t count, Visit visit) {
  const std::uint64_t begin = raw(first) * pages_per_chunk;
  for (std::uint64_t page = begin; page < begin + count * pages_per_chunk; ++page)
    visit(PageNo{page});
}

// To the home it comes from who made the request.
bool is_for_home(const Machine& machine, const core::PeerMessage& from, PageNo page) {
  using namespace core;
  const Body& body = from.message.body;
  if (std::holds_alternative<Hasten>(body))
    return homed_at(machine, page) && from.message.transaction.requester == from.from;
  return std::holds_alternative<PageRequest>(body) || std::holds_alternative<Done>(body) ||
         std::holds_alternative<Writeback>(body) || std::holds_alternative<SlotWanted>(body);
}

}  // namespace

PairTable::PairTable(std::span<const char* const> states, std::span<const char* const> events,
                     std::span<const Impossible> impossible)
    : states_(states), events_(events) {
  for (const char* state : states)
    for (const char* event : events)
      pairs_.push_back({0, why_impossible(impossible, state, event)});
}

void PairTable::note(const Machine& machine, PageNo page, unsigned state, unsigned event) {
  Pair& pair = pairs_[state * events_.size() + event];
  ++pair.count;
  if (pair.why_not != nullptr)
    throw Failure(fmt::format("node {} page {}: {} although {}, but {}", raw(machine.id()),
                              raw(page), events_[event], states_[state], pair.why_not));
}

void PairTable::print(const char* title) const {
  unsigned reached = 0, excluded = 0, open = 0;
  fmt::print("{}: state | event | how often\n", title);
  for (std::size_t state = 0; state < states_.size(); ++state)
    for (std::size_t event = 0; event < events_.size(); ++event) {
      const Pair& pair = at(state, event);
      const std::string what = pair.count > 0 ? fmt::format("{}", pair.count)
                               : pair.why_not != nullptr
                                   ? fmt::format("impossible: {}", pair.why_not)
                               : is_put_aside(events_[event]) ? "unmet"
                                                              : "open";
      fmt::print("  {:16} | {:18} | {}\n", states_[state], events_[event], what);
      if (pair.count > 0) ++reached;
      else if (pair.why_not != nullptr) ++excluded;
      else if (!is_put_aside(events_[event])) ++open;
    }
  fmt::print("  {} reached, {} impossible, {} open\n", reached, excluded, open);
}

Pairs::Pairs()
    : pages_(page_states, page_events, impossible_pages),
      homes_(home_states, home_events, impossible_homes) {}

void Pairs::print() const {
  pages_.print("page table");
  homes_.print("directory");
}

void Pairs::note_page(const Machine& machine, PageNo page, unsigned event) {
  if (raw(page) < machine.page_count())
    pages_.note(machine, page, static_cast<unsigned>(machine.state(page)), event);
}

void Pairs::note_home(const Machine& machine, PageNo page, unsigned event) {
  if (homed_at(machine, page)) homes_.note(machine, page, state_at_home(machine, page), event);
}

void Pairs::note(const Machine& machine, const core::Event& event) {
  if (const auto* fault = std::get_if<core::Fault>(&event))
    return note_page(machine, fault->page,
                     fault->access == core::Access::read ? read_fault : write_fault);
  if (std::holds_alternative<core::MemberRemoved>(event)) return note_removal(machine);
  const auto* const from = std::get_if<core::PeerMessage>(&event);
  if (from == nullptr) return;
  const core::Config& config = machine.node().config();
  if (!config.nodes.contains(from->from))
    return note_ignored(machine, *from, no_member, home_no_member);
  if (from->message.epoch > config.epoch) return note_early(machine, *from);
  if (from->message.epoch == config.epoch) return note_message(machine, *from);
  if (ends_with_its_epoch(from->message.body))
    return note_ignored(machine, *from, old_epoch, home_old_epoch);
  if (const auto* what = std::get_if<core::ChunkReturn>(&from->message.body))
    note_returned(machine, what->first, what->count, chunk_return);
}

// What is said about one page, and meets it in some state.
void Pairs::note_ignored(const Machine& machine, const core::PeerMessage& from, unsigned page_event,
                         unsigned home_event) {
  const auto page = page_of(from.message);
  if (!page) return;
  if (is_for_home(machine, from, *page)) note_home(machine, *page, home_event);
  else note_page(machine, *page, page_event);
}

void Pairs::note_early(const Machine& machine, const core::PeerMessage& from) {
  if (const auto* report = std::get_if<core::Report>(&from.message.body))
    for (const core::PageReport& page : report->pages) note_home(machine, page.page, early_report);
  if (ends_with_its_epoch(from.message.body))
    note_ignored(machine, from, newer_epoch, home_newer_epoch);
}

// Of pages that this node has or waits for, and of those that it keeps a record of.
void Pairs::note_removal(const Machine& machine) {
  for (std::uint64_t page = 0; page < machine.page_count(); ++page)
    if (machine.state(PageNo{page}) != core::PageState::invalid ||
        machine.node().requester().pending().contains(PageNo{page}))
      note_page(machine, PageNo{page}, removal);
  for (const auto& [page, entry] : machine.node().directory().entries())
    note_home(machine, page, home_removal);
}

void Pairs::note_report(const Machine& machine, const core::Report& report) {
  for (const core::PageReport& page : report.pages)
    note_home(machine, page.page, reported_none + static_cast<unsigned>(page.copy));
}

void Pairs::note_ready(const Machine& machine, NodeId home, const core::Rebuilt& rebuilt) {
  for (const PageNo page : rebuilt.taken_back) note_page(machine, page, taken_back);
  if (!rebuilt.last) return;
  const core::ChunkMap& chunks = machine.node().chunks();
  for (std::uint64_t number = 0; number < machine.page_count(); ++number) {
    const PageNo page{number};
    const bool is_here = machine.state(page) != core::PageState::invalid ||
                         machine.node().requester().pending().contains(page);
    if (is_here && chunks.home_of(chunk_of(page)) == home) note_page(machine, page, home_ready);
  }
}

// The bytes may have come before.
void Pairs::note_answer(const Machine& machine, core::Transaction transaction,
                        const core::PrefetchAnswer& answer) {
  const auto& asked = machine.node().prefetcher().prefetches();
  for (std::uint64_t i = 0; i < core::prefetch_window; ++i) {
    const PageNo page{raw(answer.first) + i};
    const auto found = asked.find(page);
    if ((answer.granted >> i & 1) != 0) note_page(machine, page, prefetch_granted);
    else if (found != asked.end() && found->second.transaction == transaction)
      note_page(machine, page, prefetch_refused);
  }
}

// Pages that were never used have no entry.
void Pairs::note_returned(const Machine& machine, ChunkNo first, std::uint32_t count,
                          unsigned event) {
  for_each_page(first, count, [&](PageNo page) {
    if (machine.node().directory().find(page) != nullptr) note_home(machine, page, event);
  });
}

void Pairs::note_message(const Machine& machine, const core::PeerMessage& from) {
  const core::Transaction transaction = from.message.transaction;
  const auto take = [&]<class Body>(const Body& body) {
    if constexpr (std::is_same_v<Body, core::PageRequest>)
      note_home(machine, body.page, read_request + static_cast<unsigned>(body.kind));
    else if constexpr (std::is_same_v<Body, core::Done>) note_home(machine, body.page, done);
    else if constexpr (std::is_same_v<Body, core::Writeback>)
      note_home(machine, body.page, writeback);
    else if constexpr (std::is_same_v<Body, core::PrefetchRequest>) {
      for (std::uint64_t i = 0; i < core::prefetch_window; ++i)
        if ((body.wanted >> i & 1) != 0)
          note_home(machine, PageNo{raw(body.first) + i}, prefetch_request);
    } else if constexpr (std::is_same_v<Body, core::SlotWanted>) {
      // Of a transaction that is over: dropped in any state.
      const auto* const entry = machine.node().directory().find(body.page);
      if (entry != nullptr && entry->busy && entry->current.transaction == transaction)
        note_home(machine, body.page, slot_wanted);
    } else if constexpr (std::is_same_v<Body, core::Recall>)
      note_page(machine, body.page,
                body.access == core::Access::read ? recall_to_shared : recall_to_invalid);
    else if constexpr (std::is_same_v<Body, core::Hasten>) {
      if (homed_at(machine, body.page)) note_home(machine, body.page, home_hasten);
      else note_page(machine, body.page, page_hasten);
    } else if constexpr (std::is_same_v<Body, core::PrefetchAnswer>)
      note_answer(machine, transaction, body);
    else if constexpr (std::is_same_v<Body, core::Discard>)
      for_each_page(body.chunk, 1, [&](PageNo page) { note_page(machine, page, discard); });
    else if constexpr (std::is_same_v<Body, core::Discarded>)
      note_returned(machine, body.chunk, 1, discarded);
    else if constexpr (std::is_same_v<Body, core::ChunkReturn>)
      note_returned(machine, body.first, body.count, chunk_return);
    else if constexpr (std::is_same_v<Body, core::Report>) note_report(machine, body);
    else if constexpr (std::is_same_v<Body, core::Rebuilt>) note_ready(machine, from.from, body);
    else if constexpr (page_event_of<Body> >= 0)
      note_page(machine, body.page, static_cast<unsigned>(page_event_of<Body>));
  };
  std::visit(take, from.message.body);
}

}  // namespace gallocy::sim
