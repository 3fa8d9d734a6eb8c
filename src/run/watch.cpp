#include "run/watch.hpp"

#include <poll.h>

#include <algorithm>

#include "base/check.hpp"

namespace gallocy::run {

void Watch::add(int fd, WatchOrder order, std::function<void()> handler) {
  GALLOCY_CHECK(fd >= 0, GALLOCY_VALUE(fd));
  const auto place = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.order > order; });
  entries_.insert(place, Entry{fd, order, std::move(handler)});
}

void Watch::remove(int fd) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.fd == fd; });
}

void Watch::poll_once(Deadline deadline) {
  std::vector<pollfd> polled;
  for (const Entry& entry : entries_) polled.push_back({entry.fd, POLLIN, 0});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  // Longer waits than a minute come back early; the caller looks at its deadline anyway.
  const auto timeout_ms = std::clamp<long>(left.count(), 0, 60'000);
  if (::poll(polled.data(), polled.size(), static_cast<int>(timeout_ms)) <= 0) return;
  for (const pollfd& item : polled) {
    if (item.revents == 0) continue;
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.fd == item.fd; });
    if (found == entries_.end()) continue;  // an earlier handler has removed it
    const auto handler = found->handler;
    handler();
  }
}

}  // namespace gallocy::run
