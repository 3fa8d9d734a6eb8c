#include "core/prefetcher.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

void Prefetcher::on_call(PageNo first, std::uint64_t count) {
  if (count > 0 && backlog_.size() < max_backlog)
    backlog_.push_back({raw(first), std::min(count, max_range_pages)});
}

void Prefetcher::on_home(ChunkNo chunk, NodeId home) {
  if (!asking_home_ || chunk_of(PageNo{backlog_.front().first}) != chunk) return;
  asking_home_ = false;
  if (home == no_node) backlog_.pop_front();
}

void Prefetcher::advance(bool demand_waits) {
  if (demand_waits && !asking_home_) backlog_.clear();
  while (!backlog_.empty() && !asking_home_) {
    Range& range = backlog_.front();
    if (!ask_for_window(range)) return;
    if (range.count == 0) backlog_.pop_front();
  }
}

// One aligned window of 64 pages, or what the range has of it. False: not now.
bool Prefetcher::ask_for_window(Range& range) {
  const ChunkNo chunk = chunk_of(PageNo{range.first});
  const NodeId home = chunks_.home_of(chunk);
  if (home == no_node) {
    asking_home_ = true;
    chunks_.ask_home(chunk, PageNo{range.first});
    return false;
  }
  const std::uint64_t start = range.first / prefetch_window * prefetch_window;
  const std::uint64_t end = std::min(range.first + range.count, start + prefetch_window);
  std::uint64_t mask = 0;
  if (home != config_.self) {
    if (!chunks_.is_ready(home)) return false;
    // The answers to what is asked already will continue this.
    if (outstanding_[raw(home)] + prefetch_window > config_.max_prefetched) return false;
    const Transaction transaction = outbox_.new_transaction();
    for (std::uint64_t number = range.first; number < end; ++number) {
      const PageNo page{number};
      if (!wanted(page) || !has_frame() || !memory_.pin(page)) continue;
      mask |= std::uint64_t{1} << (number - start);
      prefetches_[page] = {transaction, home};
      ++outstanding_[raw(home)];
      ++pinned_;
    }
    if (mask != 0) outbox_.send(home, transaction, PrefetchRequest{PageNo{start}, mask});
  }
  range.count -= end - range.first;
  range.first = end;
  return true;
}

bool Prefetcher::wanted(PageNo page) const {
  const PageEntry& entry = table_.at(page);
  return entry.state == PageState::invalid && entry.frame == FrameUse::none &&
         !prefetches_.contains(page);
}

// Nothing is evicted for a hint, and most of what may be pinned is for accesses.
bool Prefetcher::has_frame() const {
  return memory_.free() > config_.cache_min_pages / 2 && pinned_ < config_.cache_min_pages / 2;
}

void Prefetcher::end(PageNo page) {
  const auto found = prefetches_.find(page);
  --outstanding_[raw(found->second.home)];
  if (!found->second.invalidated) --pinned_;
  prefetches_.erase(found);
  memory_.note_change();  // an access may wait for it
}

bool Prefetcher::on_answer(NodeId from, Transaction transaction, const PrefetchAnswer& answer) {
  for (std::uint64_t i = 0; i < prefetch_window; ++i) {
    const PageNo page{raw(answer.first) + i};
    const auto found = prefetches_.find(page);
    if (found == prefetches_.end() || found->second.transaction != transaction) continue;
    if (from != found->second.home || found->second.granted) return false;
    if ((answer.granted >> i & 1) != 0) {
      found->second.granted = true;
      continue;
    }
    memory_.unpin(page);
    if (!planted(Bug::prefetch_never_ends)) end(page);
  }
  return true;
}

bool Prefetcher::on_data(NodeId from, Transaction transaction, const PrefetchData& data) {
  const auto found = prefetches_.find(data.page);
  if (found == prefetches_.end() || found->second.transaction != transaction ||
      from != found->second.home)
    return false;
  if (!found->second.invalidated || planted(Bug::store_invalidated)) {
    PageEntry& entry = table_.at(data.page);
    GALLOCY_CHECK(entry.state == PageState::invalid, GALLOCY_VALUE(raw(data.page)));
    entry.state = PageState::shared;
    entry.version = data.version;
    outbox_.act(Store{data.page});
    memory_.settle(data.page, Access::read, false);
  }
  end(data.page);
  return true;
}

bool Prefetcher::on_invalidate(PageNo page) {
  const auto found = prefetches_.find(page);
  if (found == prefetches_.end() || !found->second.granted || found->second.invalidated)
    return false;
  found->second.invalidated = true;
  --pinned_;
  memory_.unpin(page);
  memory_.note_change();
  return true;
}

void Prefetcher::on_discard(ChunkNo chunk) {
  if (prefetches_.empty()) return;
  const std::uint64_t first = raw(chunk) * pages_per_chunk;
  for (std::uint64_t i = 0; i < pages_per_chunk; ++i) on_invalidate(PageNo{first + i});
}

void Prefetcher::begin_epoch() {
  for (const auto& [page, prefetch] : prefetches_)
    if (!prefetch.invalidated) memory_.unpin(page);
  prefetches_.clear();
  outstanding_.fill(0);
  pinned_ = 0;
  backlog_.clear();
  asking_home_ = false;
}

}  // namespace gallocy::core
