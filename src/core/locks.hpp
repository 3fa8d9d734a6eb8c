// Mutexes, at the home of the object's page. The key is the address; the object's bytes are
// never looked at. A lock that is free and that nobody waits for has no entry.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/ids.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class Locks {
 public:
  explicit Locks(Outbox& outbox) : outbox_(outbox) {}

  void on_request(NodeId from, Transaction transaction, const LockRequest& request);
  std::size_t entry_count() const { return entries_.size(); }

 private:
  struct Waiting {
    NodeId from;
    Transaction transaction;
    ThreadId thread;
  };
  struct Entry {
    ThreadId owner{};
    std::uint32_t depth = 0;
    std::deque<Waiting> queue;  // first come, first served
  };
  int acquire(Entry& entry, NodeId from, Transaction transaction, const LockRequest& request);
  int unlock(const LockRequest& request);
  void reply(NodeId to, Transaction transaction, int status) {
    outbox_.send(to, transaction, LockReply{status});
  }

  Outbox& outbox_;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace gallocy::core
