// Connects to a peer that may not be there yet.
#pragma once

#include <functional>

#include "base/unique_fd.hpp"
#include "net/endpoint.hpp"
#include "net/kept.hpp"
#include "net/ring.hpp"

namespace gallocy::net {

// Dials, and dials again after 10 ms, 20 ms, ... 500 ms, until a deadline.
//
// May be destroyed at any time, also from done, which is called once and never afterwards.
class Dialer {
 public:
  using Done = std::function<void(Result<UniqueFd>)>;

  Dialer(Ring& ring, const Endpoint& to, std::uint64_t deadline_us, Done done);
  Dialer(Dialer&&) noexcept;
  Dialer& operator=(Dialer&&) = delete;
  ~Dialer();

 private:
  class State;
  Ref<State> state_;
};

}  // namespace gallocy::net
