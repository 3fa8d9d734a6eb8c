#include "core/locks.hpp"

#include <cerrno>
#include <limits>

namespace gallocy::core {
namespace {

constexpr int still_waiting = -1;

}  // namespace

void Locks::on_request(NodeId from, Transaction transaction, const LockRequest& request) {
  switch (request.operation) {
    case LockOperation::lock:
    case LockOperation::try_lock: {
      const int status = acquire(entries_[request.address], from, transaction, request);
      if (status != still_waiting) reply(from, transaction, status);
      return;
    }
    case LockOperation::unlock:
      reply(from, transaction, unlock(request));
      return;
    case LockOperation::destroy:
      reply(from, transaction, entries_.contains(request.address) ? EBUSY : 0);
      return;
  }
}

int Locks::acquire(Entry& entry, NodeId from, Transaction transaction,
                   const LockRequest& request) {
  if (entry.depth == 0) {
    entry.owner = request.thread;
    entry.depth = 1;
    return 0;
  }
  if (entry.owner == request.thread && request.kind == LockKind::recursive) {
    if (entry.depth == std::numeric_limits<std::uint32_t>::max()) return EAGAIN;
    ++entry.depth;
    return 0;
  }
  if (request.operation == LockOperation::try_lock) return EBUSY;
  if (entry.owner == request.thread && request.kind == LockKind::error_check) return EDEADLK;
  entry.queue.push_back({from, transaction, request.thread});
  return still_waiting;
}

int Locks::unlock(const LockRequest& request) {
  const auto found = entries_.find(request.address);
  if (found == entries_.end() || found->second.owner != request.thread) return EPERM;
  Entry& entry = found->second;
  if (--entry.depth > 0) return 0;
  if (entry.queue.empty()) {
    entries_.erase(found);
    return 0;
  }
  const Waiting next = entry.queue.front();
  entry.queue.pop_front();
  entry.owner = next.thread;
  entry.depth = 1;
  reply(next.from, next.transaction, 0);
  return 0;
}

}  // namespace gallocy::core
