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
  if (count >= config_.max_outstanding + most_of_the_oldest) return false;
  requests_.push_back({from, transaction, request});
  return true;
}

bool EarlyRequests::hasten(NodeId from, Transaction transaction, const Hasten& hasten) {
  const auto found = std::ranges::find_if(requests_, [&](const EarlyRequest& early) {
    return early.from == from && early.transaction == transaction &&
           early.request.page == hasten.page;
  });
  if (found == requests_.end()) return false;
  found->request.since_us = std::min(found->request.since_us, hasten.since_us);
  return true;
}

}  // namespace gallocy::core
