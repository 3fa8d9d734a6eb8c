// One poll over everything gallocy-run waits for. Handlers run in the order of their class, so
// that a cause is seen before its consequences: of a daemon and a rank that have both died, the
// daemon first.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

namespace gallocy::run {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline Deadline in_ms(int ms) { return Clock::now() + std::chrono::milliseconds{ms}; }

enum class WatchOrder { signal, log, daemon, session, rank };

class Watch {
 public:
  // The handler may add and remove descriptors, and must do with being called for nothing.
  void add(int fd, WatchOrder order, std::function<void()> handler);
  void remove(int fd);
  // Returns after the handlers of one wake-up, or at the deadline.
  void poll_once(Deadline deadline);

 private:
  struct Entry {
    int fd;
    WatchOrder order;
    std::function<void()> handler;
  };
  std::vector<Entry> entries_;  // sorted by order
};

}  // namespace gallocy::run
