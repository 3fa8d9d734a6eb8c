// Calls back when a descriptor (a userfaultfd, a client's eventfd) becomes ready.
#pragma once

#include <functional>

#include "net/kept.hpp"
#include "net/ring.hpp"

namespace gallocy::net {

// One multishot poll, armed again whenever the kernel ends it. The kernel reports arrivals, not
// levels: read until EAGAIN, or stop early and call look_again().
//
// May be destroyed at any time, also from its callback, which is not called afterwards. The ring
// keeps a reference to the open file until the next round.
class Watch {
 public:
  // ready: poll's events, or a negative errno, after which there are no further calls.
  using Callback = std::function<void(int ready)>;
  Watch(Ring& ring, int fd, unsigned events, Callback callback);
  Watch(Watch&&) noexcept;
  ~Watch();

  // Calls back once more, with `events`, after the sockets were served and without sleeping.
  void look_again();

 private:
  class State;
  Ref<State> state_;
};

}  // namespace gallocy::net
