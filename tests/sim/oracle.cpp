#include "oracle.hpp"

#include <fmt/format.h>

#include "core/describe.hpp"
#include "core/invariants.hpp"

namespace gallocy::sim {
namespace {

bool holds_copy(core::PageState state) {
  return state == core::PageState::shared || state == core::PageState::exclusive;
}

template <class... Values>
void require(bool holds, const char* text, const Values&... values) {
  if (!holds) throw Failure(fmt::format(fmt::runtime(text), values...));
}

}  // namespace

void Oracle::read(PageNo page, unsigned cell, std::uint64_t value) const {
  const auto found = truth_.find(page);
  const std::uint64_t last = found == truth_.end() ? 0 : found->second[cell];
  require(value == last, "page {} cell {}: read {}, last written {}", raw(page), cell, value,
          last);
}

void Oracle::check_step(const Machine& machine) const {
  if (removed_.contains(machine.id())) return;
  for (const PageNo page : machine.touched()) {
    if (raw(page) >= machine.page_count()) continue;
    check_machine(machine, page);
    check_page(page);
    check_directory(page);
    check_owner(page);
  }
}

// The mapping never allows more than the page's state, and the state needs the bytes.
void Oracle::check_machine(const Machine& machine, PageNo page) const {
  const core::PageState state = machine.state(page);
  const Mapping mapping = machine.strongest_mapping(page);
  const unsigned node = raw(machine.id());
  require(mapping != Mapping::writable || state == core::PageState::exclusive,
          "node {} page {} is writable though {}", node, raw(page), core::name_of(state));
  require(mapping == Mapping::none || holds_copy(state), "node {} page {} is mapped though {}",
          node, raw(page), core::name_of(state));
  require(!holds_copy(state) || machine.frame(page).has_value(),
          "node {} page {} is {} without bytes", node, raw(page), core::name_of(state));
  require(state != core::PageState::invalid || !machine.frame(page).has_value(),
          "node {} page {} is invalid with bytes", node, raw(page));
}

void Oracle::check_page(PageNo page) const {
  unsigned writers = 0, readers = 0, owners = 0, copies = 0;
  for (const auto& machine : machines_) {
    if (removed_.contains(machine->id())) continue;
    const Mapping mapping = machine->strongest_mapping(page);
    const core::PageState state = machine->state(page);
    writers += mapping == Mapping::writable;
    readers += mapping == Mapping::read_only;
    owners += state == core::PageState::exclusive;
    copies += holds_copy(state);
  }
  // A node's clients count once: they share the frame.
  require(writers + (writers > 0 ? readers : 0) <= 1, "page {}: {} writers, {} readers",
          raw(page), writers, readers);
  require(owners == 0 || copies == 1, "page {}: {} owners, {} copies", raw(page), owners, copies);
}

void Oracle::check_directory(PageNo page) const {
  const NodeId home = coordinator().node().chunks().home_of(chunk_of(page));
  const core::DirectoryEntry* entry =
      home == no_node ? nullptr : machines_[raw(home)]->node().directory().find(page);
  if (entry != nullptr && !entry->idle()) return;
  if (home != no_node && machines_[raw(home)]->node().directory().is_closed(page)) return;
  if (home == no_node ? !same_epoch() : !is_settled(home)) return;
  for (const auto& machine : machines_) {
    if (removed_.contains(machine->id())) continue;
    const bool listed = entry != nullptr && entry->copyset.contains(machine->id());
    // Its bytes may be on their way, to whoever has not been told that they are old.
    if (listed && machine->node().prefetcher().on_its_way(page)) continue;
    require(listed == holds_copy(machine->state(page)),
            "page {}: node {} {} a copy, home {} says otherwise", raw(page), raw(machine->id()),
            listed ? "lacks" : "has", raw(home));
    // After a removal a copy that waited for acknowledgements is newer than its equals.
    const bool right = listed && (removed_.empty() ? machine->version(page) == entry->version
                                                   : machine->version(page) <= entry->version);
    require(!listed || right, "page {}: node {} has another version than home {}", raw(page),
            raw(machine->id()), raw(home));
  }
}

const Machine& Oracle::coordinator() const {
  for (const auto& machine : machines_)
    if (!removed_.contains(machine->id())) return *machine;
  throw Failure("no node is left");
}

// Have all members heard of the same epoch, and that this home is ready?
bool Oracle::is_settled(NodeId home) const {
  if (removed_.contains(home) || !same_epoch()) return false;
  for (const auto& machine : machines_)
    if (!removed_.contains(machine->id()) && !machine->node().chunks().is_ready(home)) return false;
  return true;
}

bool Oracle::same_epoch() const {
  const Epoch epoch = coordinator().node().config().epoch;
  for (const auto& machine : machines_)
    if (!removed_.contains(machine->id()) && machine->node().config().epoch != epoch) return false;
  return true;
}

// The removed node had the page or was getting it, or it was its home and alone knew that it is
// zero. What it has asked for and a member keeps for somebody else it was not getting.
bool Oracle::had(PageNo page, const Machine& with) const {
  const auto& pending = with.node().requester().pending();
  const auto asked = pending.find(page);
  if (with.state(page) != core::PageState::invalid || with.node().holder().kept(page)) return true;
  // It may not have heard yet that the chunk is its own.
  const NodeId home = with.node().chunks().home_of(chunk_of(page));
  if ((home == with.id() || home == no_node) && !truth_.contains(page)) return true;
  bool is_kept = false;
  for (const auto& machine : machines_)
    if (const auto kept = machine->node().holder().kept(page)) {
      if (kept->transaction.requester == with.id()) return true;
      is_kept = is_kept || !removed_.contains(machine->id());
    }
  return !is_kept && asked != pending.end() && asked->second.kind != core::RequestKind::read;
}

std::set<PageNo> Oracle::pages_of(const Machine& removed) const {
  std::set<PageNo> pages;
  for (std::uint64_t page = 0; page < machines_[0]->page_count(); ++page)
    if (had(PageNo{page}, removed)) pages.insert(PageNo{page});
  return pages;
}

bool Oracle::is_at_a_member(PageNo page) const {
  return std::ranges::any_of(machines_, [&](const auto& machine) {
    return !removed_.contains(machine->id()) && holds_copy(machine->state(page));
  });
}

void Oracle::forget_node(NodeId node, Epoch epoch) {
  removed_.insert(node);
  unjudged_[epoch] = {node, pages_of(*machines_[raw(node)])};
}

void Oracle::note_hearing() {
  for (auto& [epoch, removal] : unjudged_)
    removal.had.merge(pages_of(*machines_[raw(removal.node)]));
}

// What it had when it was removed, or since then, while a member had not heard of it.
void Oracle::note_losses(Epoch heard) {
  while (!unjudged_.empty() && unjudged_.begin()->first <= heard) {
    const auto& [node, had_then] = unjudged_.begin()->second;
    for (const auto& pages : {had_then, pages_of(*machines_[raw(node)])})
      for (const PageNo page : pages)
        if (!is_at_a_member(page)) may_be_lost_.insert(page);
    unjudged_.erase(unjudged_.begin());
  }
}

void Oracle::check_loss(PageNo page) const {
  require(may_be_lost_.contains(page), "page {} is lost though a member has it", raw(page));
}

// Until it has served a recall or gives the page back, or its writers ask for what they have.
void Oracle::check_owner(PageNo page) const {
  const NodeId home = coordinator().node().chunks().home_of(chunk_of(page));
  if (home == no_node || !is_settled(home)) return;
  const core::DirectoryEntry* const entry = machines_[raw(home)]->node().directory().find(page);
  if (entry == nullptr || entry->state != core::DirectoryState::exclusive) return;
  require(!entry->copyset.empty(), "page {} is owned by nobody", raw(page));
  const Machine& owner = *machines_[raw(entry->owner())];
  const bool served = entry->busy && !owner.node().holder().demands().contains(page);
  require(owner.state(page) != core::PageState::shared || served ||
              owner.node().memory().evicting(page),
          "page {}: node {} does not know that it is the owner", raw(page), raw(owner.id()));
}

void Oracle::check_quiet() const {
  for (const auto& machine : machines_) {
    if (removed_.contains(machine->id())) continue;
    check_quiet(*machine);
    for (std::uint64_t page = 0; page < machine->page_count(); ++page)
      check_machine(*machine, PageNo{page});
  }
  for (std::uint64_t page = 0; page < machines_[0]->page_count(); ++page) {
    check_page(PageNo{page});
    check_directory(PageNo{page});
  }
}

void Oracle::check_quiet(const Machine& machine) const {
  const core::Node& node = machine.node();
  const unsigned id = raw(machine.id());
  core::check_invariants(node);
  require(node.holder().used_slot_count() == 0, "node {} keeps {} slots", id,
          node.holder().used_slot_count());
  require(node.holder().demands().empty(), "node {} still has demands", id);
  require(node.requester().pending().empty(), "node {} still has pending requests", id);
  require(node.returns().idle(), "node {} still takes chunks back", id);
  require(node.prefetcher().prefetches().empty() && node.prefetcher().backlog_size() == 0,
          "node {} still waits for prefetched pages", id);
  require(node.next_deadline() == 0, "node {} still has a deadline", id);
  for (const auto& [page, entry] : node.directory().entries())
    require(entry.idle(), "node {} page {} is busy", id, raw(page));
  for (const auto& [client, counts] : node.statistics().clients()) {
    std::uint64_t ended = 0;
    for (const std::uint64_t count : counts.faults) ended += count;
    require(counts.faults_seen == ended, "node {} client {}: {} faults seen, {} ended", id,
            raw(client), counts.faults_seen, ended);
  }
}

}  // namespace gallocy::sim
