// How long a granted page stays. Two nodes that take a page from each other faster than a
// thread can wake and execute its access would do so for ever; so a page is held for a while
// after it was installed, longer for a thread that keeps losing pages (an access may need
// several at once), and an older waiting thread keeps what it has.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/event.hpp"

namespace gallocy::core {

struct FaultingThread {
  ClientId client{};
  std::uint32_t thread = 0;
  friend bool operator==(FaultingThread, FaultingThread) = default;
};

struct FaultingThreadHash {
  std::size_t operator()(FaultingThread who) const {
    return std::hash<std::uint64_t>{}(std::uint64_t{raw(who.client)} << 32 | who.thread);
  }
};

class Holds {
 public:
  static constexpr unsigned recent_count = 4;  // pages that one access of the kernel may need

  static constexpr std::size_t max_thread_count = 4096;

  explicit Holds(const Config& config) : config_(config) {}

  // The thread faulted on a page that this node lacks. Faulting again on one of the pages it
  // was last granted means that it (perhaps) never got to use them together: its hold doubles.
  void on_miss(FaultingThread who, PageNo page);

  // For pages granted to that thread now.
  std::uint64_t hold_us(FaultingThread who) const;
  std::uint64_t base_hold_us() const;

  // Was the page among the last that were granted to the thread?
  bool recently_granted(FaultingThread who, PageNo page) const;

  template <class Visit>
  void for_each_recent(FaultingThread who, Visit visit) const {
    const auto found = threads_.find(who);
    if (found == threads_.end()) return;
    for (unsigned i = 0; i < found->second.count; ++i) visit(found->second.recent[i]);
  }

  void on_fetched(std::uint64_t fetch_us);  // a remote page took that long
  void forget_client(ClientId client);

 private:
  struct Record {
    std::array<PageNo, recent_count> recent{};  // latest first
    unsigned count = 0;
    unsigned doublings = 0;
    bool several = false;  // more than one page went back and forth
  };
  static void remember(Record& record, PageNo page);

  const Config& config_;
  std::uint64_t mean_fetch_us_ = 0;
  std::unordered_map<FaultingThread, Record, FaultingThreadHash> threads_;
};

}  // namespace gallocy::core
