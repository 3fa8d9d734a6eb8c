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
#include "core/memory.hpp"
#include "core/turn.hpp"

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
  static constexpr unsigned recent_count = Memory::access_pages;

  static constexpr std::size_t max_thread_count = 4096;

  Holds(const Config& config, const JobClock& clock) : config_(config), clock_(clock) {}

  // The thread faulted on a page that this node lacks. Faulting again on one of the pages it
  // was last granted means that it (perhaps) never got to use them together: its hold doubles.
  // Returns since when, in the job's time, the thread attempts its access. That survives the faults
  // in between, or no access of several pages would ever become the oldest.
  TimeUs on_miss(FaultingThread who, PageNo page, Access access, TimeUs now_us);

  // The thread has been granted a page. `suffices(page, access)`: does the node have it still?
  template <class Suffices>
  void on_granted(FaultingThread who, TimeUs now_us, Suffices suffices) {
    const auto found = threads_.find(who);
    if (found == threads_.end()) return;
    Record& record = found->second;
    record.granted_us = now_us;
    for (unsigned i = 0; i < record.count; ++i)
      record.recent[i].present = suffices(record.recent[i].page, record.recent[i].access);
  }

  // For pages granted to that thread now.
  std::uint64_t hold_us(FaultingThread who) const;
  std::uint64_t base_hold_us() const;

  // Was the page among the last that were granted to the thread?
  bool recently_granted(FaultingThread who, PageNo page) const;

  template <class Visit>
  void for_each_recent(FaultingThread who, Visit visit) const {
    const auto found = threads_.find(who);
    if (found == threads_.end()) return;
    for (unsigned i = 0; i < found->second.count; ++i) visit(found->second.recent[i].page);
  }

  // The thread has come to ask for something else than a page: its accesses so far are over, and
  // what it had to hold for them is forgotten.
  void on_progress(FaultingThread who) { threads_.erase(who); }

  // A remote page was that long on the road. Not for how long others kept it: holds would then
  // be made longer by holds, without end.
  void on_fetched(std::uint64_t fetch_us);
  void forget_client(ClientId client);

 private:
  struct Recent {
    PageNo page{};
    Access access = Access::read;
    bool present = false;  // when the thread was last granted a page
  };
  struct Record {
    std::array<Recent, recent_count> recent{};  // latest first
    unsigned count = 0;
    TimeUs since_us = 0;    // of its access, in the job's time
    TimeUs granted_us = 0;  // last
    unsigned doublings = 0;
    bool several = false;  // more than one page went back and forth
  };
  static const Recent* find(const Record& record, PageNo page);
  static void remember(Record& record, PageNo page, Access access);

  const Config& config_;
  const JobClock& clock_;
  std::uint64_t mean_fetch_us_ = 0;
  std::unordered_map<FaultingThread, Record, FaultingThreadHash> threads_;
};

}  // namespace gallocy::core
