#include "pairs.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <span>
#include <type_traits>

namespace gallocy::sim {
namespace {

constexpr const char* page_states[] = {"invalid", "shared", "exclusive", "leaving", "installing"};
constexpr const char* page_events[] = {
    "read fault", "write fault",    "recall to shared", "recall to invalid", "invalidate",
    "page_data",  "grant",          "invalidate_ack",   "release",           "hasten",
    "writeback_ack", "denial",      "prefetch_data",    "lost"};
constexpr const char* home_states[] = {"zero",        "shared",         "exclusive",
                                       "zero busy",   "shared busy",    "exclusive busy",
                                       "zero starved", "zero denied",   "zero departing",
                                       "shared departing", "closed", "lost"};
constexpr const char* home_events[] = {"read_request", "write_request", "upgrade_request", "done",
                                       "writeback",    "hasten",        "prefetch_request",
                                       "slot_wanted"};

struct Impossible {
  const char* state;
  const char* event;  // nullptr: any
  const char* why;
};

constexpr Impossible impossible_pages[] = {
    {"leaving", nullptr, "a page leaves within one step"},
    {"invalid", "recall to shared", "a home recalls from who has a copy"},
    {"invalid", "recall to invalid", "a home recalls from who has a copy"},
    {"installing", "recall to shared", "the home is busy until the requester is done"},
    {"installing", "recall to invalid", "the home is busy until the requester is done"},
    {"installing", "invalidate", "the home is busy until the requester is done"},
    {"exclusive", "invalidate", "an owner is recalled from"},
    {"shared", "page_data", "bytes come to who has none"},
    {"exclusive", "page_data", "bytes come to who has none"},
    {"installing", "page_data", "bytes come once"},
    {"exclusive", "grant", "an owner asks for nothing"},
    {"installing", "grant", "a request is granted once"},
    {"exclusive", "invalidate_ack", "all have come before the page may be written"},
    {"exclusive", "denial", "an owner asks for nothing"},
    {"installing", "denial", "what is granted is not denied"},
    {"shared", "lost", "who has a page has not lost it"},
    {"exclusive", "lost", "who has a page has not lost it"},
    {"installing", "lost", "what is granted is not lost"},
};

constexpr Impossible impossible_homes[] = {
    {"zero", "done", "nobody has anything to be done with"},
    {"shared", "done", "nobody has anything to be done with"},
    {"exclusive", "done", "nobody has anything to be done with"},
    {"lost", "done", "nobody has anything to be done with"},
    {"lost", "writeback", "nobody has a copy"},
    {"lost", "upgrade_request", "nobody has a copy"},
    {"zero", "hasten", "the request is hastened before it is done, on the same connection"},
    {"shared", "hasten", "the request is hastened before it is done, on the same connection"},
    {"exclusive", "hasten", "the request is hastened before it is done, on the same connection"},
    {"zero", "slot_wanted", "its transaction is over"},
    {"shared", "slot_wanted", "its transaction is over"},
    {"exclusive", "slot_wanted", "its transaction is over"},
    {"zero busy", "slot_wanted", "nobody has bytes"},
    {"exclusive busy", "slot_wanted", "what waits for no acknowledgement is over by itself"},
    {"zero starved", "slot_wanted", "nobody has bytes"},
    {"zero denied", "slot_wanted", "nobody has bytes"},
    {"zero departing", "slot_wanted", "its transaction is over"},
    {"shared departing", "slot_wanted", "its transaction is over"},
    {"closed", "slot_wanted", "its transaction is over"},
    {"lost", "slot_wanted", "nobody has bytes"},
};

const char* why_impossible(std::span<const Impossible> all, const char* state, const char* event) {
  for (const Impossible& one : all)
    if (std::strcmp(one.state, state) == 0 &&
        (one.event == nullptr || std::strcmp(one.event, event) == 0))
      return one.why;
  return nullptr;
}

template <class Body>
struct PageEvent {
  static constexpr int number = -1;
};
template <int value>
struct Number {
  static constexpr int number = value;
};
template <> struct PageEvent<core::Invalidate> : Number<4> {};
template <> struct PageEvent<core::PageData> : Number<5> {};
template <> struct PageEvent<core::Grant> : Number<6> {};
template <> struct PageEvent<core::InvalidateAck> : Number<7> {};
template <> struct PageEvent<core::Release> : Number<8> {};
template <> struct PageEvent<core::WritebackAck> : Number<10> {};
template <> struct PageEvent<core::Denial> : Number<11> {};
template <> struct PageEvent<core::PrefetchData> : Number<12> {};
template <> struct PageEvent<core::Lost> : Number<13> {};

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

template <std::size_t states, std::size_t events>
void print_table(const char* title, const std::array<std::array<std::uint64_t, events>, states>& at,
                 const char* const* state_names, const char* const* event_names,
                 std::span<const Impossible> impossible) {
  unsigned reached = 0, excluded = 0, open = 0;
  std::printf("%s\n", title);
  for (std::size_t state = 0; state < states; ++state)
    for (std::size_t event = 0; event < events; ++event) {
      const char* const why = why_impossible(impossible, state_names[state], event_names[event]);
      std::printf("  %-16s %-18s ", state_names[state], event_names[event]);
      if (at[state][event] > 0)
        std::printf("%llu\n", static_cast<unsigned long long>(at[state][event]));
      else
        std::printf("%s%s\n", why != nullptr ? "impossible: " : "open", why != nullptr ? why : "");
      ++(at[state][event] > 0 ? reached : why != nullptr ? excluded : open);
    }
  std::printf("  %u reached, %u impossible, %u open\n", reached, excluded, open);
}

}  // namespace

void Pairs::note_page(const Machine& machine, PageNo page, unsigned event) {
  if (raw(page) >= machine.page_count()) return;
  const auto state = static_cast<unsigned>(machine.state(page));
  ++pages_[state][event];
  if (const char* why = why_impossible(impossible_pages, page_states[state], page_events[event]))
    throw Failure(fmt::format("node {} page {}: {} although {}, but {}", raw(machine.id()),
                              raw(page), page_events[event], page_states[state], why));
}

void Pairs::note_home(const Machine& machine, PageNo page, unsigned event) {
  if (!homed_at(machine, page)) return;
  const unsigned state = state_at_home(machine, page);
  ++homes_[state][event];
  if (const char* why = why_impossible(impossible_homes, home_states[state], home_events[event]))
    throw Failure(fmt::format("home {} page {}: {} although {}, but {}", raw(machine.id()),
                              raw(page), home_events[event], home_states[state], why));
}

void Pairs::note_prefetch(const Machine& machine, const core::PrefetchRequest& request) {
  for (std::uint64_t i = 0; i < core::prefetch_window; ++i)
    if ((request.wanted >> i & 1) != 0) note_home(machine, PageNo{raw(request.first) + i}, 6);
}

void Pairs::note(const Machine& machine, const core::Event& event) {
  if (const auto* fault = std::get_if<core::Fault>(&event))
    return note_page(machine, fault->page, fault->access == core::Access::read ? 0 : 1);
  const auto* const message = std::get_if<core::PeerMessage>(&event);
  if (message == nullptr) return;
  // Of another epoch, or from who is no member: it meets no state.
  const core::Config& config = machine.node().config();
  if (message->message.epoch != config.epoch || !config.nodes.contains(message->from)) return;
  const auto take = [&]<class Body>(const Body& body) {
    if constexpr (std::is_same_v<Body, core::PageRequest>)
      note_home(machine, body.page, static_cast<unsigned>(body.kind));
    else if constexpr (std::is_same_v<Body, core::Done>) note_home(machine, body.page, 3);
    else if constexpr (std::is_same_v<Body, core::Writeback>) note_home(machine, body.page, 4);
    else if constexpr (std::is_same_v<Body, core::PrefetchRequest>) note_prefetch(machine, body);
    else if constexpr (std::is_same_v<Body, core::SlotWanted>) {
      // Of a transaction that is over: dropped in any state.
      const auto* const entry = machine.node().directory().find(body.page);
      if (entry != nullptr && entry->busy &&
          entry->current.transaction == message->message.transaction)
        note_home(machine, body.page, 7);
    }
    else if constexpr (std::is_same_v<Body, core::Recall>)
      note_page(machine, body.page, body.access == core::Access::read ? 2 : 3);
    else if constexpr (std::is_same_v<Body, core::Hasten>) {
      if (homed_at(machine, body.page)) note_home(machine, body.page, 5);
      else note_page(machine, body.page, 9);
    } else if constexpr (PageEvent<Body>::number >= 0)
      note_page(machine, body.page, static_cast<unsigned>(PageEvent<Body>::number));
  };
  std::visit(take, message->message.body);
}

void Pairs::print() const {
  print_table("page table: state, event, how often", pages_, page_states, page_events,
              impossible_pages);
  print_table("directory: state, event, how often", homes_, home_states, home_events,
              impossible_homes);
}

}  // namespace gallocy::sim
