#include "core/directory.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {
namespace {

Version next(Version version) { return Version{raw(version) + 1}; }

Access access_of(RequestKind kind) {
  return kind == RequestKind::read ? Access::read : Access::write;
}

void for_each_page(ChunkNo chunk, auto visit) {
  const std::uint64_t first = raw(chunk) * pages_per_chunk;
  for (std::uint64_t page = first; page < first + pages_per_chunk; ++page) visit(PageNo{page});
}

}  // namespace

const DirectoryEntry* Directory::find(PageNo page) const {
  const auto found = entries_.find(page);
  return found == entries_.end() ? nullptr : &found->second;
}

DirectoryEntry& Directory::entry_of(PageNo page) {
  const auto [found, fresh] = entries_.try_emplace(page);
  if (!fresh) return found->second;
  if (inherited_.contains(chunk_of(page)) && !planted(Bug::lost_pages_are_zero))
    found->second.state = DirectoryState::lost;
  if (const auto first = first_versions_.find(chunk_of(page)); first != first_versions_.end())
    found->second.version = first->second;
  return found->second;
}

bool Directory::on_request(NodeId from, Transaction transaction, const PageRequest& request,
                           TimeUs now_us) {
  DirectoryEntry& entry = entry_of(request.page);
  const QueuedRequest queued{from, transaction, request.kind, request.since_us, now_us};
  const bool closed = is_closed(request.page) && !planted(Bug::begin_in_closed_chunk);
  if (entry.idle() && !closed) return start(request.page, entry, queued, now_us);

  // One request per page and node: the queue is bounded by the number of nodes.
  const auto same_node = [from](const QueuedRequest& other) { return other.from == from; };
  const bool is_served = entry.busy && same_node(entry.current);
  if (is_served || std::ranges::any_of(entry.queue, same_node)) return false;
  if (!planted(Bug::drop_queued_request) || entry.queue.empty()) entry.queue.push_back(queued);
  hasten(request.page, entry, queued);
  return true;
}

void Directory::on_hasten(NodeId from, Transaction transaction, const Hasten& what) {
  const auto found = entries_.find(what.page);
  if (found == entries_.end()) return;
  DirectoryEntry& entry = found->second;
  const auto is_meant = [&](const QueuedRequest& request) {
    return request.from == from && request.transaction == transaction;
  };
  const auto queued = std::ranges::find_if(entry.queue, is_meant);
  const bool is_served = entry.busy && is_meant(entry.current);
  if (queued == entry.queue.end() && !is_served) return;
  QueuedRequest& request = is_served ? entry.current : *queued;
  request.since_us = std::min(request.since_us, what.since_us);
  hasten(what.page, entry, request);
}

// The entry is busy with a younger request, whose holder may keep the page from that one for the
// sake of an access in between: two nodes would each keep what the other's oldest access needs.
void Directory::hasten(PageNo page, DirectoryEntry& entry, const QueuedRequest& older) {
  if (!entry.busy || older.turn() >= entry.oldest) return;
  entry.oldest = older.turn();
  // The node's own access cannot be kept from it by itself.
  tell(page, entry, entry.asked.without(older.from), older.turn());
}

void Directory::tell(PageNo page, const DirectoryEntry& entry, NodeSet asked, Turn older) {
  asked.for_each([&](NodeId node) {
    outbox_.send(node, entry.current.transaction, Hasten{page, older.node, older.since_us});
  });
}

// Who has acknowledged drops what it is told. The access may be one of a node that was asked, which
// keeps the page for it, and would keep it for as long as it may.
void Directory::on_slot_wanted(NodeId from, Transaction transaction, const SlotWanted& wanted) {
  const auto found = entries_.find(wanted.page);
  if (found == entries_.end()) return;
  DirectoryEntry& entry = found->second;
  const bool is_meant =
      entry.busy && entry.current.transaction == transaction && entry.release_to == from;
  const Turn older{wanted.since_us, wanted.requester};
  if (!is_meant || older >= entry.oldest) return;
  entry.oldest = older;
  tell(wanted.page, entry, entry.asked.without(from), older);
}

bool Directory::start(PageNo page, DirectoryEntry& entry, const QueuedRequest& request,
                      TimeUs now_us) {
  GALLOCY_CHECK(entry.idle(), GALLOCY_VALUE(raw(page)));
  // It would have found its own copy: it never acknowledged losing one.
  const bool has_it = entry.copyset.contains(request.from);
  if (has_it && (request.kind == RequestKind::read || entry.state == DirectoryState::exclusive))
    return false;
  if (entry.state == DirectoryState::lost) {
    const Loss loss = loss_of(page);
    outbox_.send(request.from, request.transaction, Lost{page, loss.with, loss.since});
    return true;
  }
  entry.busy = true;
  entry.current = request;
  entry.release_to = no_node;
  entry.asked = NodeSet{};
  entry.oldest = request.turn();
  entry.started_us = now_us;
  if (access_of(request.kind) == Access::read) start_read(page, entry);
  else start_write(page, entry);
  return true;
}

void Directory::start_read(PageNo page, DirectoryEntry& entry) {
  const NodeId requester = entry.current.from;
  if (entry.state != DirectoryState::zero)
    return recall(page, entry, source_of(entry), Access::read, 0);
  // This node's own copy needs a frame of the cache. It was asked for without one if the page had a
  // frame of its own then, until its chunk was given back.
  if (requester == config_.self && !memory_.pin_at_once(page)) return starve(page, entry);
  outbox_.send(requester, entry.current.transaction,
               Grant{page, entry.version, Access::read, 0, true});
}

void Directory::start_write(PageNo page, DirectoryEntry& entry) {
  const NodeId requester = entry.current.from;
  if (entry.state == DirectoryState::exclusive) {
    entry.release_to = entry.owner();
    recall(page, entry, entry.owner(), Access::write, 0);
    return;
  }
  if (entry.state == DirectoryState::zero) return start_first_write(page, entry);
  NodeSet sharers = entry.copyset.without(requester);
  const bool lost_race = planted(Bug::lost_upgrade_race) &&
                         entry.current.kind == RequestKind::upgrade;
  if (entry.copyset.contains(requester) || lost_race) return grant_writing(page, entry);
  entry.release_to = source_of(entry);
  sharers.erase(entry.release_to);
  if (planted(Bug::skip_one_invalidate) && !sharers.empty()) sharers.erase(sharers.lowest());
  invalidate(page, entry, sharers);
  recall(page, entry, entry.release_to, Access::write, sharers.count());
}

// From now on the page needs a frame here, so that it can come home at any time.
void Directory::start_first_write(PageNo page, DirectoryEntry& entry) {
  switch (memory_.reserve(page)) {
    case Memory::Room::granted:
      grant_writing(page, entry);
      break;
    case Memory::Room::later:
      starve(page, entry);
      break;
    case Memory::Room::never:
      entry.denied = true;
      outbox_.send(entry.current.from, entry.current.transaction,
                   Denial{page, config_.memory_pages});
      break;
  }
}

void Directory::starve(PageNo page, DirectoryEntry& entry) {
  entry.starved = true;
  starved_.push_back(page);
}

void Directory::grant_writing(PageNo page, DirectoryEntry& entry) {
  const NodeId requester = entry.current.from;
  const bool has_copy = entry.copyset.contains(requester);
  const NodeSet sharers = entry.copyset.without(requester);
  invalidate(page, entry, sharers);
  outbox_.send(requester, entry.current.transaction,
               Grant{page, next(entry.version), Access::write, sharers.count(), !has_copy});
}

void Directory::use_room() {
  if (starved_.empty()) return;
  const auto waiting = std::exchange(starved_, {});
  for (const PageNo page : waiting) {
    DirectoryEntry& entry = entries_.at(page);
    if (!entry.departures.empty()) {
      starved_.push_back(page);
      continue;
    }
    entry.starved = false;
    if (access_of(entry.current.kind) == Access::read) start_read(page, entry);
    else start_first_write(page, entry);
  }
}

std::optional<Turn> Directory::oldest_starved() const {
  std::optional<Turn> oldest;
  for (const PageNo page : starved_) {
    const Turn turn = entries_.at(page).oldest;
    if (!oldest || turn < *oldest) oldest = turn;
  }
  return oldest;
}

bool Directory::is_zero(PageNo page) const {
  const DirectoryEntry* const entry = find(page);
  return entry == nullptr ? !inherited_.contains(chunk_of(page))
                          : entry->state == DirectoryState::zero;
}

bool Directory::share_at_once(NodeId to, PageNo page, TimeUs hold_until_us, TimeUs now_us) {
  const auto found = entries_.find(page);
  if (found == entries_.end()) return false;
  DirectoryEntry& entry = found->second;
  const bool idle = entry.idle() || planted(Bug::prefetch_of_a_busy_page);
  if (!idle || is_closed(page) || entry.state == DirectoryState::zero) return false;
  if (!entry.copyset.contains(config_.self) || entry.copyset.contains(to)) return false;
  if (entry.state == DirectoryState::exclusive && now_us < hold_until_us) return false;
  entry.state = DirectoryState::shared;
  entry.copyset.insert(to);
  return true;
}

// A busy entry counts on every copy that it has asked for. A starved one has asked for none yet,
// and if it refused, two homes could wait for each other to take pages back.
WritebackOutcome Directory::on_writeback(NodeId from, Transaction transaction,
                                         const Writeback& writeback, bool& bytes_wanted) {
  bytes_wanted = false;
  const auto found = entries_.find(writeback.page);
  if (found == entries_.end()) return WritebackOutcome::busy;
  DirectoryEntry& entry = found->second;
  NodeSet staying = entry.copyset.without(from);
  bool departing = false;
  for (const Departure& departure : entry.departures) {
    staying.erase(departure.node);
    departing = departing || departure.node == from;
  }
  // Not in the copyset: the copy was invalidated while this was on its way.
  // A closed chunk's pages are about to be dropped everywhere.
  if (is_closed(writeback.page) && !entry.busy) return WritebackOutcome::busy;
  if ((entry.busy && !entry.starved) || !entry.copyset.contains(from) || departing)
    return WritebackOutcome::busy;
  if (entry.state != DirectoryState::zero && staying.empty() && !planted(Bug::drop_last_copy)) {
    // Who waits for another departure may be this node, which would be given what it has.
    if (!entry.queue.empty()) return WritebackOutcome::busy;
    if (!writeback.bytes) return WritebackOutcome::bytes_needed;
    bytes_wanted = true;
    entry.state = DirectoryState::shared;
    entry.copyset.insert(config_.self);
  }
  if (planted(Bug::eviction_not_awaited)) entry.copyset.erase(from);
  else entry.departures.push_back({from, transaction});
  return WritebackOutcome::accepted;
}

// The holder has dropped its copy.
bool Directory::depart(DirectoryEntry& entry, NodeId from, Transaction transaction) {
  const auto departure = std::ranges::find_if(entry.departures, [&](const Departure& one) {
    return one.node == from && one.transaction == transaction;
  });
  if (departure == entry.departures.end()) return false;
  entry.departures.erase(departure);
  entry.copyset.erase(from);
  memory_.note_change();  // a starved entry may have waited for it
  return true;
}

void Directory::invalidate(PageNo page, DirectoryEntry& entry, NodeSet sharers) {
  sharers.for_each([&](NodeId sharer) {
    entry.asked.insert(sharer);
    outbox_.send(sharer, entry.current.transaction,
                 Invalidate{page, entry.current.from, entry.current.since_us});
  });
}

void Directory::recall(PageNo page, DirectoryEntry& entry, NodeId holder, Access access,
                       std::uint32_t acks_expected) {
  const Version version = access == Access::write ? next(entry.version) : entry.version;
  entry.asked.insert(holder);
  outbox_.send(holder, entry.current.transaction,
               Recall{access, page, entry.current.from, version, acks_expected,
                      entry.current.since_us, entry.started_us - entry.current.arrived_us});
}

NodeId Directory::source_of(const DirectoryEntry& entry) const {
  return entry.copyset.contains(config_.self) ? config_.self : entry.copyset.lowest();
}

bool Directory::on_done(NodeId from, Transaction transaction, const Done& done, TimeUs now_us) {
  const auto found = entries_.find(done.page);
  if (found == entries_.end()) return false;
  DirectoryEntry& entry = found->second;
  const bool is_current =
      entry.current.transaction == transaction || planted(Bug::accept_old_done);
  if (entry.busy && is_current && entry.current.from == from)
    finish(done.page, entry);
  else if (!depart(entry, from, transaction))
    return false;
  if (!is_closed(done.page)) serve_queue(done.page, entry, now_us);
  else if (entry.idle()) --closed_busy_count_;
  return true;
}

void Directory::serve_queue(PageNo page, DirectoryEntry& entry, TimeUs now_us) {
  while (entry.idle() && !entry.queue.empty()) {
    auto oldest = std::ranges::min_element(entry.queue, {}, &QueuedRequest::turn);
    if (planted(Bug::youngest_first)) oldest = std::prev(entry.queue.end());
    const QueuedRequest request = *oldest;
    entry.queue.erase(oldest);
    // The fault of who asked, not of who is done.
    if (!start(page, entry, request, now_us))
      outbox_.act(DropPeer{request.from, "it asked for a page that it has"});
  }
}

void Directory::finish(PageNo page, DirectoryEntry& entry) {
  const NodeId requester = entry.current.from;
  if (entry.denied) {
    entry.copyset.erase(requester);
  } else if (access_of(entry.current.kind) == Access::read) {
    if (planted(Bug::wrong_copyset_on_downgrade) && entry.state == DirectoryState::exclusive)
      entry.copyset = NodeSet{};
    if (entry.state == DirectoryState::exclusive) entry.state = DirectoryState::shared;
    entry.copyset.insert(requester);
  } else {
    entry.state = DirectoryState::exclusive;
    entry.copyset = NodeSet{requester};
    if (!planted(Bug::version_stays)) entry.version = next(entry.version);
  }
  entry.busy = entry.denied = false;
  if (entry.release_to != no_node && !planted(Bug::forget_release))
    outbox_.send(entry.release_to, entry.current.transaction, Release{page});
}

// ---- giving back ---------------------------------------------------------------------------

void Directory::close(ChunkNo chunk) {
  GALLOCY_CHECK(!closed_, GALLOCY_VALUE(raw(*closed_)));
  closed_ = chunk;
  for_each_page(chunk, [this](PageNo page) {
    const DirectoryEntry* const entry = find(page);
    if (entry != nullptr && !entry->idle()) ++closed_busy_count_;
  });
}

NodeSet Directory::holders_of_closed() const {
  NodeSet holders;
  for_each_page(*closed_, [&](PageNo page) {
    if (const DirectoryEntry* const entry = find(page))
      entry->copyset.for_each([&](NodeId node) { holders.insert(node); });
  });
  return holders;
}

void Directory::reopen(TimeUs now_us) {
  GALLOCY_CHECK(closed_ && quiet(), GALLOCY_VALUE(closed_busy_count_));
  const ChunkNo chunk = *closed_;
  closed_.reset();
  inherited_.erase(chunk);
  std::vector<std::pair<PageNo, std::vector<QueuedRequest>>> queues;
  for_each_page(chunk, [&](PageNo page) {
    lost_.erase(page);
    const auto found = entries_.find(page);
    if (found == entries_.end()) return;
    DirectoryEntry& entry = found->second;
    if (has_reserved_frame(entry) && !planted(Bug::leak_reservation))
      memory_.unreserve(page);
    if (raw(entry.version) > 0)
      first_versions_[chunk] = std::max(first_versions_[chunk], entry.version);
    if (!entry.queue.empty()) queues.emplace_back(page, std::move(entry.queue));
    entries_.erase(found);
  });
  for (auto& [page, queue] : queues) {
    DirectoryEntry& entry = entry_of(page);
    entry.queue = std::move(queue);
    serve_queue(page, entry, now_us);
  }
}

// ---- after a removal ---------------------------------------------------------------------

// A page that is zero stays so, unless the removed node was being granted it for writing. All other
// pages are lost, until somebody has said that it has them.
void Directory::begin_epoch(NodeId removed, Epoch epoch) {
  rebuilt_ = false;
  starved_.clear();
  closed_busy_count_ = 0;
  for (auto& [page, entry] : entries_) {
    const bool granted = entry.busy && !entry.starved && !entry.denied &&
                         access_of(entry.current.kind) == Access::write;
    DirectoryEntry anew;
    anew.granted_to = granted ? entry.current.from : entry.granted_to;
    const bool stays_zero = entry.state == DirectoryState::zero && anew.granted_to != removed;
    if (planted(Bug::first_grant_forgotten)) anew.granted_to = no_node;
    anew.state = stays_zero ? DirectoryState::zero : DirectoryState::lost;
    anew.version = entry.version;
    entry = std::move(anew);
    if (!stays_zero) lost_.try_emplace(page, Loss{removed, epoch});
  }
}

void Directory::inherit(ChunkNo chunk, NodeId removed, Epoch epoch) {
  inherited_.emplace(chunk, Loss{removed, epoch});
}

std::vector<Directory::TakenBack> Directory::rebuild(const Census& census) {
  std::vector<TakenBack> taken_back;
  for (auto& [page, entry] : entries_) entry.granted_to = no_node;
  for (const auto& [page, tally] : census) {
    DirectoryEntry& entry = entry_of(page);
    const bool stays_zero = entry.state == DirectoryState::zero &&
                            (tally.copyset().empty() || tally.version() <= entry.version);
    entry.version = std::max(entry.version, tally.version());
    entry.copyset = tally.copyset();
    if (stays_zero) continue;
    entry.state = tally.owner() == no_node ? DirectoryState::shared : DirectoryState::exclusive;
    if (entry.copyset.empty()) {
      const NodeId keeper = tally.keeper(config_.nodes);
      if (keeper == no_node) {
        entry.state = DirectoryState::lost;
        continue;
      }
      entry.copyset.insert(keeper);
      taken_back.push_back({keeper, page});
    }
    lost_.erase(page);
  }
  rebuilt_ = true;
  return taken_back;
}

std::vector<PageNo> Directory::reserving_pages() const {
  std::vector<PageNo> pages;
  for (const auto& [page, entry] : entries_)
    if (has_reserved_frame(entry)) pages.push_back(page);
  return pages;
}

Directory::Loss Directory::loss_of(PageNo page) const {
  if (const auto found = lost_.find(page); found != lost_.end()) return found->second;
  return inherited_.at(chunk_of(page));
}

}  // namespace gallocy::core
