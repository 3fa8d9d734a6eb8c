// Lines of the log that strangers cause, as many as they like: a few in each second, and then how
// many more there were.
#pragma once

#include "daemon/context.hpp"

namespace gallocy::daemon {

class FewLines {
 public:
  static constexpr unsigned max_per_second = 4;

  explicit FewLines(const Context& context)
      : context_(context), second_(context.ring.timers(), [this] { end_second(); }) {}

  template <class... Parts>
  void say(const Parts&... parts) {
    if (!second_.armed()) second_.arm(seconds_from_now(1));
    if (said_count_ >= max_per_second) {
      ++untold_count_;
      return;
    }
    ++said_count_;
    context_.say(parts...);
  }

 private:
  void end_second() {
    said_count_ = 0;
    if (const auto count = std::exchange(untold_count_, 0); count != 0)
      say(count, " more have been turned away or dropped");
  }

  const Context& context_;
  unsigned said_count_ = 0;  // in this second
  std::uint64_t untold_count_ = 0;
  net::Timer second_;
};

}  // namespace gallocy::daemon
