// What every piece of the control plane is given: the loop it lives in, and who this daemon is.
// All of the control plane happens on one thread, that of Control::run.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "daemon/log.hpp"
#include "daemon/options.hpp"
#include "net/ring.hpp"

namespace gallocy::daemon {

// Work for after the round. An object that is being called (a timer's, a socket's owner) cannot
// be destroyed in that call: it is silenced, and discarded here.
class Later {
 public:
  void call(std::function<void()> work) { work_.push_back(std::move(work)); }

  template <class T>
  void discard(std::unique_ptr<T> object) {
    if (object) call([kept = std::shared_ptr<T>(std::move(object))] {});
  }

  void run() {
    while (!work_.empty()) {
      auto work = std::exchange(work_, {});
      for (auto& call : work) call();
    }
  }

 private:
  std::vector<std::function<void()>> work_;
};

struct Context {
  net::Ring& ring;
  Later& later;
  Log& log;
  const Options& options;
  NodeId self;
  Incarnation incarnation;

  template <class... Parts>
  void say(const Parts&... parts) const {
    log.line(FixedText<512>(parts...).view());
  }
};

inline std::uint64_t seconds_from_now(std::uint64_t seconds) {
  return net::now_us() + seconds * 1'000'000;
}

}  // namespace gallocy::daemon
