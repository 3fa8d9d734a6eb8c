#include "core/requester.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {
namespace {

Resolution resolution_of(const Pending& pending) {
  if (pending.source == Source::zero) return Resolution::first_touch;
  if (!pending.remote) return Resolution::upgrade;
  return pending.access == Access::read ? Resolution::remote_read : Resolution::remote_write;
}

}  // namespace

void Requester::on_fault(const Fault& fault, TimeUs now_us) {
  if (table_.suffices(fault.page, fault.access)) {
    ++statistics_.of(fault.client).faults_seen;
    resolve_locally(fault, now_us);
    return;
  }
  const FaultingThread who{fault.client, fault.thread};
  const auto [found, fresh] = pending_.try_emplace(fault.page);
  Pending& pending = found->second;
  for (Waiter& waiter : pending.waiters) {
    if (waiter.who != who) continue;
    // The kernel says it again (a signal made the thread retry): nothing new to do.
    waiter.access = std::max(waiter.access, fault.access);
    return;
  }
  ++statistics_.of(fault.client).faults_seen;
  const TimeUs since_us = holds_.on_miss(who, fault.page, fault.access, now_us);
  if (!planted(Bug::drop_a_waiter) || fresh)
    pending.waiters.push_back({who, fault.access, now_us});
  if (!fresh) return hasten(fault.page, pending, since_us);
  pending.since_us = since_us;

  const bool has_copy = table_.at(fault.page).state == PageState::shared;
  pending.kind = fault.access == Access::read ? RequestKind::read
                 : has_copy                   ? RequestKind::upgrade
                                              : RequestKind::write;
  pending.transaction = outbox_.new_transaction();
  pending.asked_us = now_us;
  pending.home = chunks_.home_of(chunk_of(fault.page));
  if (pending.home == no_node) chunks_.ask_home(chunk_of(fault.page), fault.page);
  else try_submit(fault.page, pending);
}

// An access has joined the request. If it is older than the one that made the request, the others
// have to know: the request is as old as the oldest that it is for. It may be its turn now.
void Requester::hasten(PageNo page, Pending& pending, TimeUs since_us) {
  if (since_us >= pending.since_us) return;
  pending.since_us = since_us;
  if (!pending.sent) return submit_unsent();
  outbox_.send(pending.home, pending.transaction, Hasten{page, config_.self, since_us});
}

void Requester::resolve_locally(const Fault& fault, TimeUs faulted_us) {
  const bool exclusive = table_.at(fault.page).state == PageState::exclusive;
  // A thread may wait write-protected although the page is writable by now: another thread's
  // fault was served between its fault and our reading of it.
  if (fault.cause == FaultCause::write_protect && exclusive)
    outbox_.act(Unprotect{fault.client, fault.page});
  else if (fault.cause == FaultCause::write_protect)
    outbox_.act(Wake{fault.client, fault.page});
  else
    outbox_.act(Install{fault.client, fault.page, exclusive ? Access::write : Access::read,
                        Source::present});
  statistics_.resolved(fault.client, Resolution::local, faulted_us);
}

void Requester::on_home_known(PageNo page, NodeId home) {
  const auto found = pending_.find(page);
  if (found == pending_.end() || found->second.home != no_node) return;
  if (home != no_node) {
    found->second.home = home;
    try_submit(page, found->second);
    return;
  }
  // Nobody was ever given this memory.
  for (const Waiter& waiter : found->second.waiters) {
    outbox_.act(Poison{waiter.who.client, page});
    statistics_.resolved(waiter.who.client, Resolution::poisoned, waiter.faulted_us);
  }
  pending_.erase(found);
}

// A request has a frame for what it brings before it is sent: the answer never has to wait.
void Requester::try_submit(PageNo page, Pending& pending) {
  // Its copy came home, or was not taken back, while the request waited.
  if (found_here(page, pending)) return;
  if (!chunks_.is_ready(pending.home)) return awaits_ready_.push_back(page);
  // The home must not hear of the page while it is asked to take it back or sends it.
  const bool coming = prefetcher_.on_its_way(page) && !planted(Bug::demand_beside_prefetch);
  if (memory_.evicting(page) || coming)
    blocked_.push_back(page);
  else if (!needs_cache(page, pending) || pin(page, pending))
    submit(page, pending);
  else
    wants_frame_.push_back(page);
}

bool Requester::found_here(PageNo page, const Pending& pending) {
  const Access wanted = pending.kind == RequestKind::read ? Access::read : Access::write;
  if (!table_.suffices(page, wanted)) return false;
  for (const Waiter& waiter : pending.waiters)
    resolve_locally({waiter.who.client, waiter.who.thread, page, wanted, FaultCause::minor},
                    waiter.faulted_us);
  // After a removal its bytes may lie in the frame that is pinned for it.
  if (table_.at(page).frame == FrameUse::pinned)
    memory_.settle(page, wanted, pending.home == config_.self);
  pending_.erase(page);
  return true;
}

// Not what goes into the frame that is reserved here.
bool Requester::needs_cache(PageNo page, const Pending& pending) const {
  if (pending.home != config_.self || table_.at(page).frame != FrameUse::none) return true;
  return pending.kind == RequestKind::read && directory_.is_zero(page);
}

// Who is the oldest is looked for only if others would have to wait.
bool Requester::pin(PageNo page, const Pending& pending) {
  if (!wants_frame_.empty()) return false;
  return memory_.pin(page) || (is_oldest(pending) && memory_.pin(page, true));
}

void Requester::use_room() {
  wants_frame_.insert(wants_frame_.end(), blocked_.begin(), blocked_.end());
  blocked_.clear();
  if (!wants_frame_.empty()) submit_oldest_first(std::exchange(wants_frame_, {}));
}

void Requester::submit_unsent() {
  if (!unsent_.empty()) submit_oldest_first(std::exchange(unsent_, {}));
}

// By age and not by turn: threads that need several pages at once would each keep some of them.
void Requester::submit_oldest_first(std::vector<PageNo> pages) {
  std::ranges::stable_sort(pages, {}, [this](PageNo page) { return pending_.at(page).since_us; });
  for (const PageNo page : pages) try_submit(page, pending_.at(page));
}

const Pending* Requester::oldest() const {
  const auto found = std::ranges::min_element(
      pending_, {}, [](const auto& one) { return one.second.since_us; });
  return found == pending_.end() ? nullptr : &found->second;
}

bool Requester::needs(const Pending& pending, PageNo page) const {
  return !pending.waiters.empty() &&
         holds_.recently_granted(pending.waiters.front().who, page);
}

void Requester::submit(PageNo page, Pending& pending) {
  // The oldest never waits for its turn: those that were sent may wait for what it keeps.
  std::uint32_t& outstanding = outstanding_[raw(pending.home)];
  if (outstanding >= config_.max_outstanding && !is_oldest(pending)) {
    unsent_.push_back(page);
    return;
  }
  ++outstanding;
  pending.sent = true;
  // The copy may have gone while the request waited for its turn.
  if (pending.kind == RequestKind::upgrade && table_.at(page).state != PageState::shared)
    pending.kind = RequestKind::write;
  outbox_.send(pending.home, pending.transaction,
               PageRequest{pending.kind, page, pending.since_us});
}

// What was not sent, or not in this epoch, has no answer yet.
Pending* Requester::current(PageNo page, Transaction transaction) {
  const auto found = pending_.find(page);
  if (found == pending_.end()) return nullptr;
  const bool is_old = found->second.transaction != transaction;
  if (is_old && !planted(Bug::accept_old_transaction)) return nullptr;
  return found->second.sent ? &found->second : nullptr;
}

bool Requester::on_data(NodeId, Transaction transaction, const PageData& data, TimeUs now_us) {
  Pending* const pending = current(data.page, transaction);
  if (pending == nullptr) return true;
  PageEntry& entry = table_.at(data.page);
  const bool wanted = data.access == Access::write || pending->kind == RequestKind::read;
  if (pending->permitted || !wanted || entry.state != PageState::invalid) return false;
  pending->permitted = true;
  pending->remote = true;
  pending->access = data.access;
  pending->version = data.version;
  pending->acks_expected = data.acks_expected;
  pending->fetch_us = now_us - std::min(now_us, pending->asked_us + data.delayed_us);
  pending->source = Source::message;
  entry.state = PageState::installing;
  entry.version = data.version;
  if (pending->acks_from.count() != data.acks_expected) {
    // Others may still read the old bytes: keep the new ones out of everybody's sight.
    outbox_.act(Store{data.page});
    pending->source = Source::present;
    return true;
  }
  complete_if_ready(data.page);
  return true;
}

bool Requester::on_grant(NodeId from, Transaction transaction, const Grant& grant) {
  Pending* const pending = current(grant.page, transaction);
  if (pending == nullptr) return true;
  PageEntry& entry = table_.at(grant.page);
  // Leaving: dropped earlier in this very step, when this node took back its own chunk.
  const bool absent = entry.state == PageState::invalid || entry.state == PageState::leaving;
  const bool fits = grant.zero ? absent : entry.state == PageState::shared;
  const bool wanted =
      grant.access == Access::write || (pending->kind == RequestKind::read && grant.zero);
  if (from != pending->home || pending->permitted || !wanted || !fits) return false;
  pending->permitted = true;
  pending->access = grant.access;
  pending->version = grant.version;
  pending->acks_expected = grant.acks_expected;
  pending->source = grant.zero ? Source::zero : Source::present;
  if (grant.zero) entry.state = PageState::installing;
  entry.version = grant.version;
  complete_if_ready(grant.page);
  return true;
}

bool Requester::on_ack(NodeId from, Transaction transaction, const InvalidateAck& ack) {
  Pending* const pending = current(ack.page, transaction);
  if (pending == nullptr) return true;
  if (pending->acks_from.contains(from)) return false;
  pending->acks_from.insert(from);
  complete_if_ready(ack.page);
  return true;
}

void Requester::complete_if_ready(PageNo page) {
  const auto found = pending_.find(page);
  const Pending& pending = found->second;
  const unsigned missing = planted(Bug::write_before_all_acknowledgements) ? 1 : 0;
  if (!pending.permitted || pending.acks_from.count() + missing < pending.acks_expected) return;
  if (pending.remote) holds_.on_fetched(pending.fetch_us);
  install(page, pending);
  const bool zero_copy = pending.source == Source::zero && pending.access == Access::read;
  memory_.settle(page, pending.access, pending.home == config_.self && !zero_copy);

  Granted granted{page, pending.access == Access::write ? PageState::exclusive : PageState::shared,
                  holds_.base_hold_us(), {}};
  for (const Waiter& waiter : pending.waiters) {
    granted.hold_us = std::max(granted.hold_us, holds_.hold_us(waiter.who));
    granted.threads.push_back(waiter.who);
  }
  table_.at(page).state = PageState::installing;
  granted_.push_back(std::move(granted));
  const NodeId home = pending.home;
  outbox_.send(home, pending.transaction, Done{page});
  pending_.erase(found);
  note_request_over(home);
}

void Requester::install(PageNo page, const Pending& pending) {
  const bool own_copy = pending.source == Source::present && !pending.remote;
  Source source = pending.source;
  std::vector<ClientId> clients;
  for (const Waiter& waiter : pending.waiters) {
    statistics_.resolved(waiter.who.client, resolution_of(pending), waiter.faulted_us);
    if (std::ranges::find(clients, waiter.who.client) != clients.end()) continue;
    clients.push_back(waiter.who.client);
    if (own_copy && planted(Bug::upgrade_stays_protected) && clients.size() > 1) {
    } else if (own_copy) {
      outbox_.act(Unprotect{waiter.who.client, page});
    } else {
      outbox_.act(Install{waiter.who.client, page, pending.access, source});
      source = Source::present;
    }
  }
  // Everybody who waited has died; the bytes are this node's all the same.
  if (clients.empty() && source == Source::message) outbox_.act(Store{page});
}

void Requester::note_request_over(NodeId home) {
  --outstanding_[raw(home)];
  if (!planted(Bug::forget_unsent)) submit_unsent();
}

void Requester::carried_out(TimeUs now_us, std::vector<PageNo>& installed) {
  for (const Granted& granted : granted_) {
    PageEntry& entry = table_.at(granted.page);
    entry.state = granted.state;
    entry.hold_until_us = now_us + granted.hold_us;
    installed.push_back(granted.page);
    // A thread that now has its last page needs the others a little longer, too.
    for (const FaultingThread who : granted.threads) {
      holds_.on_granted(who, now_us, [this](PageNo page, Access access) {
        return table_.suffices(page, access);
      });
      holds_.for_each_recent(who, [&](PageNo page) {
        PageEntry& other = table_.at(page);
        if (other.state == PageState::shared || other.state == PageState::exclusive)
          other.hold_until_us = std::max(other.hold_until_us, now_us + granted.hold_us);
      });
    }
  }
  granted_.clear();
}

// The oldest access, here or at another node, that waits for what the page has: a frame.
std::optional<Turn> Requester::wants_frame_of(PageNo page) const {
  if (table_.at(page).frame != FrameUse::cached || memory_.free() > 0) return std::nullopt;
  std::optional<Turn> first = directory_.oldest_starved();
  for (const PageNo waiting : wants_frame_) {
    const Turn turn{pending_.at(waiting).since_us, config_.self};
    if (!first || turn < *first) first = turn;
  }
  return first;
}

// The thread may have used the page already and not need it any more: nobody knows. So the time is
// in proportion to how long it has waited: a few microseconds of somebody else's at first, and in
// the end more than it takes to get one page after the other from those whose turn comes later.
TimeUs Requester::keep_until(PageNo page, Turn rival, TimeUs from_us) const {
  // An upgrade of this node's own may be queued at the home behind what asks for the page.
  if (const auto own = pending_.find(page); own != pending_.end())
    rival = std::min(rival, Turn{own->second.since_us, config_.self});
  if (planted(Bug::keep_with_margin)) rival.since_us += 1'000'000;
  const std::optional<Turn> wants_frame = wants_frame_of(page);
  const TimeUs from_job_us = clock_.at(from_us);
  TimeUs until_us = 0;
  for (const auto& [waited_for, pending] : pending_) {
    const Turn own{pending.since_us, config_.self};
    // Of the same turn: the demand is in the way of that very access (Holder::hasten_a_slot).
    if (waited_for == page || rival <= own || (wants_frame && *wants_frame < own)) continue;
    const TimeUs age_us = from_job_us - std::min(from_job_us, pending.since_us);
    const TimeUs keep_us = std::min(config_.keep_max_us, age_us / 2);
    for (const Waiter& waiter : pending.waiters)
      if (holds_.recently_granted(waiter.who, page))
        until_us = std::max(until_us, from_us + keep_us);
  }
  return until_us;
}

// Whoever wanted to write is told; a reader may try again.
bool Requester::on_denial(NodeId from, Transaction transaction, const Denial& denial) {
  Pending* const pending = current(denial.page, transaction);
  if (pending == nullptr) return true;
  if (from != pending->home || pending->permitted || pending->kind == RequestKind::read)
    return false;
  if (table_.at(denial.page).state == PageState::shared) {
    table_.leave(denial.page);
    outbox_.act(Drop{denial.page});
  }
  std::erase_if(pending->waiters, [&](const Waiter& waiter) {
    if (waiter.access == Access::write) return false;
    statistics_.resolved(waiter.who.client, Resolution::poisoned, waiter.faulted_us);
    outbox_.act(Wake{waiter.who.client, denial.page});
    return true;
  });
  end_poisoned(*pending, {{}, denial.page, from, denial.memory_pages});
  outbox_.send(from, transaction, Done{denial.page});
  return true;
}

bool Requester::on_lost(NodeId from, Transaction transaction, const Lost& lost) {
  Pending* const pending = current(lost.page, transaction);
  if (pending == nullptr) return true;
  const bool absent = table_.at(lost.page).state == PageState::invalid;
  if (from != pending->home || pending->permitted || !absent) return false;
  end_poisoned(*pending, {{}, lost.page, no_node, 0, lost.with, lost.since});
  return true;
}

// `with`: says why, to each client that waits.
void Requester::end_poisoned(const Pending& pending, Poison with) {
  std::vector<ClientId> poisoned;
  for (const Waiter& waiter : pending.waiters) {
    statistics_.resolved(waiter.who.client, Resolution::poisoned, waiter.faulted_us);
    if (std::ranges::find(poisoned, waiter.who.client) != poisoned.end()) continue;
    poisoned.push_back(waiter.who.client);
    with.client = waiter.who.client;
    outbox_.act(with);
  }
  const NodeId home = pending.home;
  memory_.unpin(with.page);
  pending_.erase(with.page);
  note_request_over(home);
}

// ---- after a removal ---------------------------------------------------------------------

void Requester::begin_epoch() {
  outstanding_.fill(0);
  unsent_.clear();
  wants_frame_.clear();
  blocked_.clear();
  awaits_ready_.clear();
  for (auto& [page, pending] : pending_) {
    ask_anew(page, pending);
    if (pending.home != no_node) awaits_ready_.push_back(page);
  }
}

void Requester::ask_anew(PageNo page, Pending& pending) {
  PageEntry& entry = table_.at(page);
  if (entry.state == PageState::installing && pending.source == Source::zero) {
    entry.state = PageState::invalid;
    entry.version = Version{raw(pending.version) - 1};  // as if it had not been granted
  } else if (entry.state == PageState::installing) {
    // Some who have the same bytes have not acknowledged; nobody has written others.
    entry.state = PageState::shared;
    pending.kind = RequestKind::upgrade;
  }
  pending.sent = pending.permitted = pending.remote = false;
  pending.acks_from = NodeSet{};
  pending.home = chunks_.home_of(chunk_of(page));
}

void Requester::on_ready() {
  if (!awaits_ready_.empty()) submit_oldest_first(std::exchange(awaits_ready_, {}));
}

void Requester::forget_client(ClientId client) {
  for (auto& [page, pending] : pending_)
    std::erase_if(pending.waiters,
                  [client](const Waiter& waiter) { return waiter.who.client == client; });
}

}  // namespace gallocy::core
