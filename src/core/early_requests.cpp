#include "core/early_requests.hpp"

#include <algorithm>

namespace gallocy::core {

bool EarlyRequests::keep(NodeId from, Transaction transaction, const PageRequest& request) {
  std::uint32_t count = 0;
  for (const EarlyRequest& early : requests_) {
    if (early.from != from) continue;
    if (early.request.page == request.page) return false;
    ++count;
  }
  if (count >= config_.max_outstanding) return false;
  requests_.push_back({from, transaction, request});
  return true;
}

bool EarlyRequests::hasten(NodeId from, Transaction transaction, const Hasten& hasten) {
  const auto found = std::ranges::find_if(requests_, [&](const EarlyRequest& early) {
    return early.from == from && early.transaction == transaction &&
           early.request.page == hasten.page;
  });
  if (found == requests_.end()) return false;
  found->request.age_us = std::max(found->request.age_us, hasten.age_us);
  return true;
}

}  // namespace gallocy::core
