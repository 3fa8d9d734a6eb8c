// Who waits at an object, in the order in which they came.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "core/message.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

struct SyncWaiter {
  NodeId from = no_node;
  Transaction transaction;
  SyncRequest request;
};

using SyncQueue = std::vector<SyncWaiter>;

// Takes the waiter that asked under this transaction out of the queue; nullopt: it has been
// answered.
inline std::optional<SyncWaiter> take_waiter(SyncQueue& queue, NodeId from,
                                             Transaction transaction) {
  const auto found = std::ranges::find_if(queue, [&](const SyncWaiter& one) {
    const bool same = one.transaction == transaction;
    return one.from == from && (same || planted(Bug::accept_old_wait));
  });
  if (found == queue.end()) return std::nullopt;
  const SyncWaiter waiter = *found;
  queue.erase(found);
  return waiter;
}

}  // namespace gallocy::core
