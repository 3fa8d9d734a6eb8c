// The synchronisation objects that are homed at this node, and who waits at them. The key is the
// address; the object's bytes are never looked at. What is as good as new has no entry.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/message.hpp"
#include "core/futexes.hpp"
#include "core/outbox.hpp"
#include "core/sync_object.hpp"
#include "core/sync_waiter.hpp"

namespace gallocy::core {

class SyncObjects {
 public:
  struct Entry {
    SyncObject object{};
    SyncQueue queue{};  // first come, first served
    NodeId holder = no_node;  // of a mutex that somebody has: where that thread runs

    // A mutex that is lent: its state is not here but there, and nobody waits in the queue.
    NodeId borrower = no_node;
    bool called_back = false;
    bool is_over = false;  // its memory is: whoever has it has nothing
    SyncQueue postponed{};  // what was asked meanwhile, until it is back
  };
  using Entries = std::unordered_map<std::uint64_t, Entry>;

  SyncObjects(const Config& config, Outbox& outbox)
      : config_(config), outbox_(outbox), futexes_(config.self, outbox) {}

  // False: no correct node asks that.
  bool on_request(NodeId from, Transaction transaction, const SyncRequest& request);

  // A node returns a mutex that it was lent. False: it was not.
  bool on_return(NodeId from, const TokenReturn& token);

  // ---- after a removal ----
  // What members say that their threads have, or ask for.
  using Claims = std::set<std::pair<std::uint64_t, ThreadId>>;
  // Who waits at nodes that are no members waits no more, and nobody has what no member claims.
  void keep_only(NodeSet members, const Claims& claims);
  // A thread has an object whose former home is gone, or that member has been lent it.
  void restore(const LockReport& lock, NodeId reporter);

  // The memory is nobody's any more.
  void forget_memory(std::uint64_t address, std::uint64_t size_bytes);
  // Whether a mutex of such memory is lent still: its borrower's threads may find it.
  bool awaits_forgotten() const { return over_count_ > 0; }

  const Entries& entries() const { return entries_; }
  const Futexes& futexes() const { return futexes_; }

 private:
  void operate(const SyncWaiter& asking);
  void postpone(Entry& entry, const SyncWaiter& asking);
  void call_back(std::uint64_t address, Entry& entry);
  void come_back(Entries::iterator found);
  void lend(Entry& entry, const SyncWaiter& asking);
  Answer admit(Entry& entry, const SyncWaiter& asking, std::size_t ahead);
  void take(Entry& entry, const SyncWaiter& asking);
  Answer change(Entry& entry, const SyncRequest& request);
  void tell_holder(std::uint64_t address, const Entry& entry);
  void tell_loser(const ReadWriteLock& lock, const SyncRequest& give);
  void destroy(Entries::iterator found, const SyncWaiter& asking);
  void initialise(const SyncWaiter& asking);
  void withdraw(const SyncWaiter& asking);
  Entries::iterator find_or_make(const SyncRequest& request);
  void serve(Entry& entry);
  void settle(Entries::iterator found);
  Entries::iterator forget(Entries::iterator found);
  void answer(const SyncWaiter& to, Answer answer) {
    outbox_.send(to.from, to.transaction, SyncReply{answer.status, answer.value, false});
  }

  const Config& config_;
  Outbox& outbox_;
  Entries entries_;
  std::size_t over_count_ = 0;  // entries that are lent and over
  Futexes futexes_;
};

}  // namespace gallocy::core
