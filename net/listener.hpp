// Waits for peers at an address.
#pragma once

#include <functional>

#include "base/unique_fd.hpp"
#include "net/endpoint.hpp"
#include "net/kept.hpp"
#include "net/ring.hpp"

namespace gallocy::net {

struct Accepted {
  UniqueFd fd;
  AddressText peer;
};

// May be destroyed at any time, also from on_accept, which is not called afterwards; the port is
// free after the ring's next round.
class Listener {
 public:
  // An error is news, not the end: out of descriptors, say. The listener tries again by itself.
  using OnAccept = std::function<void(Result<Accepted>)>;

  static Result<Listener> open(Ring& ring, const Endpoint& at, OnAccept on_accept);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  std::uint16_t port() const;  // the bound one, where port 0 was asked for

 private:
  class State;
  explicit Listener(State& state);
  Ref<State> state_;
};

}  // namespace gallocy::net
