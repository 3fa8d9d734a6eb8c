// What the threads of this node's clients have locked, for the day one of them ends. Kept from
// the homes' answers, so it is what the homes believe.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "base/ids.hpp"
#include "core/message.hpp"
#include "core/sync_object.hpp"

namespace gallocy::core {

class Holdings {
 public:
  void took(ClientId client, const SyncRequest& request) {
    Held& held = held_[{client, request.thread, request.address}];
    held.kind = request.kind;
    ++held.depth;
  }
  void took(ClientId client, const LockReport& lock) {
    held_[{client, lock.thread, lock.address}] = {lock.kind, lock.depth};
  }
  void gave(ClientId client, const SyncRequest& request) {
    const auto found = held_.find({client, request.thread, request.address});
    if (found != held_.end() && --found->second.depth == 0) held_.erase(found);
  }

  // The thread, of whichever client, has it no more, or reads once less.
  void lost(ThreadId thread, std::uint64_t address) {
    for (auto item = held_.begin(); item != held_.end();) {
      const ClientId client = std::get<ClientId>(item->first);
      const auto found = held_.find({client, thread, address});
      if (found != held_.end() && (found->second.kind != SyncKind::reader ||
                                   --found->second.depth == 0))
        held_.erase(found);
      item = held_.upper_bound({client, ThreadId{~std::uint64_t{0}}, ~std::uint64_t{0}});
    }
  }

  // Removes and returns, as requests to abandon it, what the client's threads have; or one
  // thread's robust mutexes: everything else stays locked when a thread ends.
  std::vector<SyncRequest> of_client(ClientId client) {
    return remove({client, ThreadId{}, 0}, 1, [](const auto&, const Held&) { return true; });
  }
  std::vector<SyncRequest> of_thread(ClientId client, ThreadId thread) {
    return remove({client, thread, 0}, 0, [thread](const Key& key, const Held& held) {
      return std::get<ThreadId>(key) == thread && is_robust(held.kind);
    });
  }

  // visit(LockReport), for what is held
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, held] : held_) {
      const auto& [client, thread, address] = key;
      visit(LockReport{address, thread, held.kind, held.depth});
    }
  }

 private:
  using Key = std::tuple<ClientId, ThreadId, std::uint64_t>;
  struct Held {
    SyncKind kind = SyncKind::normal;
    std::uint32_t depth = 0;  // recursive mutexes, repeated readers
  };

  template <class Wanted>
  std::vector<SyncRequest> remove(const Key& first, std::uint64_t argument, Wanted wanted) {
    std::vector<SyncRequest> removed;
    auto item = held_.lower_bound(first);
    while (item != held_.end() && std::get<ClientId>(item->first) == std::get<ClientId>(first)) {
      const auto& [client, thread, address] = item->first;
      if (!wanted(item->first, item->second)) {
        ++item;
        continue;
      }
      removed.push_back({address, thread, SyncOperation::abandon, item->second.kind, argument});
      item = held_.erase(item);
    }
    return removed;
  }

  std::map<Key, Held> held_;
};

}  // namespace gallocy::core
