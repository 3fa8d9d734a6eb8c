#include "core/invariants.hpp"

#include <algorithm>
#include <map>

#include "base/check.hpp"

namespace gallocy::core {
namespace {

bool holds_copy(PageState state) {
  return state == PageState::shared || state == PageState::exclusive;
}

void check_pending(const Node& node, PageNo page, const Pending& pending) {
  const PageState state = node.table().at(page).state;
  // Who has the page exclusively has nothing to ask for.
  GALLOCY_CHECK(state != PageState::exclusive && state != PageState::leaving,
                GALLOCY_VALUE(raw(page)), GALLOCY_VALUE(state));
  GALLOCY_CHECK(state != PageState::installing || pending.permitted, GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(!pending.sent || pending.home != no_node, GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(!pending.permitted || pending.sent, GALLOCY_VALUE(raw(page)));
}

void check_demand(const Node& node, PageNo page, const Demand& demand) {
  const PageState state = node.table().at(page).state;
  GALLOCY_CHECK(holds_copy(state), GALLOCY_VALUE(raw(page)), GALLOCY_VALUE(state));
  GALLOCY_CHECK(!demand.invalidate || state == PageState::shared, GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(demand.requester != node.config().self, GALLOCY_VALUE(raw(page)));
}

// Of each chunk the larger number of pages.
std::uint64_t promised_or_reserved(const Node& node) {
  std::map<std::uint32_t, std::uint64_t> reserved;
  for (const auto& [page, entry] : node.directory().entries())
    reserved[raw(chunk_of(page))] += has_reserved_frame(entry);
  std::uint64_t sum = 0;
  for (std::uint32_t chunk = 0; node.chunks().contains(ChunkNo{chunk}); ++chunk)
    sum += std::max(reserved[chunk], node.memory().promise_of(ChunkNo{chunk}));
  return sum;
}

// Every frame is counted, and every copy has one.
void check_memory(const Node& node) {
  const Memory& memory = node.memory();
  std::uint64_t cached = 0, pinned = 0, reserved = 0;
  for (std::uint64_t number = 0; number < node.table().page_count(); ++number) {
    const PageNo page{number};
    const PageEntry& entry = node.table().at(page);
    cached += entry.frame != FrameUse::none;
    pinned += entry.frame == FrameUse::pinned;
    const auto* const home = node.directory().find(page);
    GALLOCY_CHECK(!holds_copy(entry.state) || entry.frame != FrameUse::none ||
                      (home != nullptr && has_reserved_frame(*home)),
                  GALLOCY_VALUE(number), GALLOCY_VALUE(entry.state));
    GALLOCY_CHECK(entry.frame != FrameUse::pinned || node.requester().pending().contains(page) ||
                      node.prefetcher().on_its_way(page),
                  GALLOCY_VALUE(number));
  }
  for (const auto& [page, entry] : node.directory().entries())
    reserved += has_reserved_frame(entry);
  GALLOCY_CHECK(cached == memory.cached(), GALLOCY_VALUE(cached), GALLOCY_VALUE(memory.cached()));
  GALLOCY_CHECK(pinned == memory.pinned(), GALLOCY_VALUE(pinned), GALLOCY_VALUE(memory.pinned()));
  if (node.directory().is_rebuilt()) {
    GALLOCY_CHECK(reserved == memory.reserved(), GALLOCY_VALUE(reserved),
                  GALLOCY_VALUE(memory.reserved()));
    const std::uint64_t promised = promised_or_reserved(node);
    GALLOCY_CHECK(promised == memory.promised(), GALLOCY_VALUE(promised),
                  GALLOCY_VALUE(memory.promised()));
  }
  const std::size_t listed = memory.shared().size() + memory.exclusive().size();
  GALLOCY_CHECK(cached == pinned + listed + memory.evictions().size(), GALLOCY_VALUE(cached),
                GALLOCY_VALUE(listed));
}

void check_directory_entry(const Node& node, PageNo page, const DirectoryEntry& entry) {
  const NodeSet nodes = node.config().nodes;
  GALLOCY_CHECK((entry.copyset.bits() & ~nodes.bits()) == 0, GALLOCY_VALUE(raw(page)));
  if (entry.state == DirectoryState::exclusive)
    GALLOCY_CHECK(entry.copyset.count() == 1, GALLOCY_VALUE(raw(page)));
  if (entry.state == DirectoryState::shared)
    GALLOCY_CHECK(!entry.copyset.empty(), GALLOCY_VALUE(raw(page)));
  if (entry.state == DirectoryState::lost)
    GALLOCY_CHECK(entry.copyset.empty() && entry.idle(), GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(!entry.idle() || entry.queue.empty() || node.directory().is_closed(page),
                GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(entry.queue.size() + entry.busy <= nodes.count(), GALLOCY_VALUE(raw(page)));
  for (const Departure& departure : entry.departures)
    GALLOCY_CHECK(entry.copyset.contains(departure.node), GALLOCY_VALUE(raw(page)));
  GALLOCY_CHECK(entry.busy || (!entry.starved && !entry.denied), GALLOCY_VALUE(raw(page)));
}

// Every slot in use is some page's, and no slot is two pages'.
void check_pages(const Node& node) {
  std::uint32_t slots = 0;
  for (std::uint64_t number = 0; number < node.table().page_count(); ++number) {
    const PageEntry& entry = node.table().at(PageNo{number});
    GALLOCY_CHECK(entry.state <= PageState::installing, GALLOCY_VALUE(number));
    GALLOCY_CHECK(entry.state != PageState::leaving, GALLOCY_VALUE(number));
    // Between steps only a page that waits for acknowledgements is still being installed.
    GALLOCY_CHECK(entry.state != PageState::installing ||
                      node.requester().pending().contains(PageNo{number}),
                  GALLOCY_VALUE(number));
    if (entry.slot_plus_one != 0) ++slots;
  }
  GALLOCY_CHECK(slots == node.holder().used_slot_count(), GALLOCY_VALUE(slots),
                GALLOCY_VALUE(node.holder().used_slot_count()));
}

}  // namespace

void check_counters(const Node& node) {
  const Config& config = node.config();
  const std::size_t waiting = node.holder().waiting_for_slot_count();
  GALLOCY_CHECK(node.holder().used_slot_count() <= config.slot_count);
  // A slot that is free while a page waits for one would never be given to it.
  GALLOCY_CHECK(waiting == 0 || node.holder().used_slot_count() == config.slot_count,
                GALLOCY_VALUE(waiting), GALLOCY_VALUE(node.holder().used_slot_count()));
  // Every demand waits for the time or for a slot: nothing else would serve it.
  GALLOCY_CHECK(node.holder().demands().size() == waiting + node.holder().scheduled_count(),
                GALLOCY_VALUE(node.holder().demands().size()), GALLOCY_VALUE(waiting));
}

void check_invariants(const Node& node) {
  check_counters(node);
  check_pages(node);
  check_memory(node);
  for (const auto& [page, pending] : node.requester().pending()) check_pending(node, page, pending);
  for (const auto& [page, demand] : node.holder().demands()) check_demand(node, page, demand);
  for (const auto& [page, entry] : node.directory().entries())
    check_directory_entry(node, page, entry);
}

}  // namespace gallocy::core
