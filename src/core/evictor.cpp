#include "core/evictor.hpp"

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

void Evictor::make_room(std::size_t waiting, TimeUs now_us) {
  const std::uint64_t wanted = waiting + spare_pages();
  const auto coming = [&] { return memory_.free() + memory_.evictions().size(); };
  again_at_us_ = 0;
  if (coming() >= wanted) return;
  // Of a thread that was granted a page in this step, nothing waits any more, and the other pages
  // that it needs are held only when that one has been installed. They would go in between.
  if (requester_.has_granted() && !planted(Bug::evict_what_the_oldest_needs)) {
    if (coming() < waiting) again_at_us_ = now_us;
    return;
  }
  const Pending* const oldest = requester_.oldest();
  while (coming() < wanted && memory_.evictions().size() < most_at_once) {
    if (now_us >= rest_until_us_ && (evict_one(memory_.shared(), oldest, now_us) ||
                                     evict_one(memory_.exclusive(), oldest, now_us)))
      continue;
    // Only for who waits: the spare frames are filled when something else happens.
    if (coming() < waiting) again_at_us_ = std::max(rest_until_us_, now_us + config_.hold_min_us);
    return;
  }
}

// The oldest access here may need several pages at once, which it gets one after the other: what
// it has stays until it is over, or several threads could take frames from each other for ever.
bool Evictor::may_go(PageNo page, const Pending* oldest, TimeUs now_us) const {
  const PageEntry& entry = table_.at(page);
  const bool here = entry.state == PageState::shared || entry.state == PageState::exclusive;
  if (!here || now_us < entry.hold_until_us || holder_.demands().contains(page)) return false;
  if (!chunks_.is_ready(chunks_.home_of(chunk_of(page)))) return false;
  if (planted(Bug::evict_what_the_oldest_needs)) return true;
  return oldest == nullptr || !requester_.needs(*oldest, page);
}

bool Evictor::evict_one(const Memory::Order& order, const Pending* oldest, TimeUs now_us) {
  for (std::size_t scanned = std::min(order.size(), scan_length); scanned > 0; --scanned) {
    const PageNo page = order.front();
    if (!may_go(page, oldest, now_us)) {
      memory_.put_off(page);
      continue;
    }
    const bool exclusive = table_.at(page).state == PageState::exclusive;
    if (exclusive) {
      if (!planted(Bug::evict_while_written)) outbox_.act(Protect{page});
      table_.at(page).state = PageState::shared;
    }
    ask(page, exclusive, exclusive);
    return true;
  }
  return false;
}

void Evictor::ask(PageNo page, bool exclusive, bool bytes) {
  const Transaction transaction = outbox_.new_transaction();
  memory_.begin_eviction(page, {transaction, exclusive});
  outbox_.send(chunks_.home_of(chunk_of(page)), transaction,
               Writeback{page, table_.at(page).version, bytes},
               bytes ? Payload{PayloadKind::frame, no_slot} : Payload{});
}

bool Evictor::on_ack(Transaction transaction, const WritebackAck& ack, TimeUs now_us) {
  const Eviction* const found = memory_.eviction(ack.page, transaction);
  if (found == nullptr) return true;
  const Eviction eviction = *found;
  switch (ack.outcome) {
    case WritebackOutcome::accepted:
      if (holder_.demands().contains(ack.page)) return false;
      drop(ack.page, transaction);
      return true;
    case WritebackOutcome::busy:
      refused(ack.page, eviction, now_us);
      return true;
    case WritebackOutcome::bytes_needed:
      ask(ack.page, eviction.exclusive, true);
      return true;
  }
  return false;
}

void Evictor::drop(PageNo page, Transaction transaction) {
  table_.leave(page);
  outbox_.act(Drop{page});
  memory_.leave(page);
  memory_.note_evicted();
  outbox_.send(chunks_.home_of(chunk_of(page)), transaction, Done{page});
}

// Somebody is about to ask for it. Its writers find it protected; their faults unprotect it.
void Evictor::refused(PageNo page, const Eviction& eviction, TimeUs now_us) {
  if (eviction.exclusive && !planted(Bug::refused_stays_shared))
    table_.at(page).state = PageState::exclusive;
  memory_.end_eviction(page, eviction.exclusive);
  rest_until_us_ = now_us + config_.hold_min_us;
}

}  // namespace gallocy::core
