#include "core/holds.hpp"

#include <algorithm>

namespace gallocy::core {

const Holds::Recent* Holds::find(const Record& record, PageNo page) {
  const auto end = record.recent.begin() + record.count;
  const auto found = std::find_if(record.recent.begin(), end,
                                  [page](const Recent& one) { return one.page == page; });
  return found == end ? nullptr : &*found;
}

void Holds::remember(Record& record, PageNo page, Access access) {
  const Recent* const known = find(record, page);
  if (known == nullptr && record.count < recent_count) ++record.count;
  const auto place = known != nullptr ? known - record.recent.data() : record.count - 1;
  const auto begin = record.recent.begin();
  std::move_backward(begin, begin + place, begin + place + 1);
  record.recent[0] = {page, access, false};
}

TimeUs Holds::on_miss(FaultingThread who, PageNo page, Access access, TimeUs now_us) {
  // Kernel threads come and go unseen; losing what is remembered of them costs a short hold.
  if (threads_.size() >= max_thread_count) threads_.clear();
  Record& record = threads_[who];
  const Recent* const known = find(record, page);
  if (known == nullptr) {
    record.doublings = 0;
    record.several = false;
    record.since_us = clock_.at(now_us);
  } else {
    // It had this page, too, when it was last granted one, and faulted on no other while all of
    // them were held: its access is over, and this is another one. Not so if it had the page to
    // read and now is to write it: one access may do both.
    const bool had_it = known->present && known->access >= access;
    if (had_it || now_us > record.granted_us + config_.hold_max_us)
      record.since_us = clock_.at(now_us);
    record.several = record.several || record.recent[0].page != page;
    record.doublings = std::min(record.doublings + 1, 16U);
  }
  remember(record, page, access);
  return record.since_us;
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
  return found != threads_.end() && find(found->second, page) != nullptr;
}

void Holds::on_fetched(std::uint64_t fetch_us) {
  mean_fetch_us_ = mean_fetch_us_ == 0 ? fetch_us : (7 * mean_fetch_us_ + fetch_us) / 8;
}

void Holds::forget_client(ClientId client) {
  std::erase_if(threads_, [client](const auto& item) { return item.first.client == client; });
}

}  // namespace gallocy::core
