// Mutexes that their homes have lent to clients of this node. While a mutex is lent its state is in
// the client's table (ipc/lock_table.hpp), where its threads take it and give it back without a
// word to anybody; the home answers nobody else before it has called it back.
//
// A mutex is lent with a grant, on request, if nobody waits for it. It comes back at once when it
// is called back, whether a thread has it or not: who has it is part of what is returned, and from
// then on all is as if it had never been lent. Robust mutexes are never lent: what happens to them
// when their owner ends is the home's to know.
//
// What is lent often enough for nothing is not asked for: only a mutex that this node has taken
// twice in a row, and for a while not one that was called back or found no place in the table.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/sync_object.hpp"

namespace gallocy::core {

class Tokens {
 public:
  explicit Tokens(Outbox& outbox) : outbox_(outbox) {}

  // Whether a take of that mutex, which is about to be asked for, should ask for its loan.
  bool are_worth(const SyncRequest& take);

  // The client's thread has been granted the mutex, and the client is lent it.
  void lend(ClientId client, const SyncRequest& granted);

  // The home calls the mutex back. It may have been given back already.
  void recall(std::uint64_t address);

  // All that the client was lent is called back.
  void forget_client(ClientId client);

  // What the client has left of a mutex that is called back, or that had to make room there.
  struct Returned {
    LockReport lock;       // depth 0: nobody has it
    bool orphaned = false;  // the client has gone
  };
  // nullopt: it was lent no such mutex.
  std::optional<Returned> take_back(const TokenTaken& taken);

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [address, loan] : loans_)
      visit(LockReport{address, ThreadId{}, loan.kind, 0, true});
  }
  std::size_t count() const { return loans_.size(); }

 private:
  struct Loan {
    ClientId client{};
    SyncKind kind = SyncKind::normal;
    bool called_back = false;
    bool orphaned = false;
  };
  // How often this node has taken a mutex lately, or below 0: how often it has yet to before a loan
  // is worth another try. Two mutexes of one place forget each other's.
  struct Recent {
    std::uint64_t address = 0;
    std::int32_t takes = 0;
  };
  static constexpr std::int32_t worth_takes = 2, reluctance_takes = 16;

  Recent& recent(std::uint64_t address) {
    return recent_[address / alignof(std::uint32_t) * 0x9e37'79b9'7f4a'7c15 >> 54];
  }

  Outbox& outbox_;
  std::unordered_map<std::uint64_t, Loan> loans_;
  std::array<Recent, 1024> recent_{};
};

}  // namespace gallocy::core
