#include "core/holds.hpp"

#include <algorithm>

namespace gallocy::core {

void Holds::remember(Record& record, PageNo page) {
  auto* const begin = record.recent.data();
  auto* const end = begin + record.count;
  auto* found = std::find(begin, end, page);
  if (found == end) {
    if (record.count < recent_count) ++record.count;
    else --found;
  }
  std::move_backward(begin, found, found + 1);
  record.recent[0] = page;
}

void Holds::on_miss(FaultingThread who, PageNo page) {
  // Kernel threads come and go unseen; losing what is remembered of them costs a short hold.
  if (threads_.size() >= max_thread_count) threads_.clear();
  Record& record = threads_[who];
  if (!recently_granted(who, page)) {
    record.doublings = 0;
    record.several = false;
  } else {
    record.several = record.several || record.recent[0] != page;
    record.doublings = std::min(record.doublings + 1, 16U);
  }
  remember(record, page);
}

std::uint64_t Holds::base_hold_us() const {
  return std::min(config_.hold_max_us, std::max(config_.hold_min_us, 2 * mean_fetch_us_));
}

std::uint64_t Holds::hold_us(FaultingThread who) const {
  const auto found = threads_.find(who);
  if (found == threads_.end()) return base_hold_us();
  const Record& record = found->second;
  // One page alone may just be shared hard: a long hold would only make its hand-over slow.
  const std::uint64_t limit_us = record.several
                                     ? config_.hold_max_us
                                     : std::max(base_hold_us(), config_.hold_single_max_us);
  return std::min(limit_us, base_hold_us() << record.doublings);
}

bool Holds::recently_granted(FaultingThread who, PageNo page) const {
  const auto found = threads_.find(who);
  if (found == threads_.end()) return false;
  const auto begin = found->second.recent.begin();
  return std::find(begin, begin + found->second.count, page) != begin + found->second.count;
}

void Holds::on_fetched(std::uint64_t fetch_us) {
  mean_fetch_us_ = mean_fetch_us_ == 0 ? fetch_us : (7 * mean_fetch_us_ + fetch_us) / 8;
}

void Holds::forget_client(ClientId client) {
  std::erase_if(threads_, [client](const auto& item) { return item.first.client == client; });
}

}  // namespace gallocy::core
