// A connection on which link.capnp is spoken.
#pragma once

#include <functional>

#include "net/connection.hpp"
#include "wire/link.hpp"

namespace gallocy::daemon {

// The handlers may be replaced at any time, also by themselves, and the channel destroyed.
class Channel {
 public:
  Channel(net::Ring& ring, UniqueFd fd);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  std::function<void(const wire::LinkMessage&)> on_message;
  // Once: the peer has gone, or sent what is no link message.
  std::function<void(const Error&)> on_closed;

  void send(const wire::LinkMessage& message);
  // Sends the rest, then ends; no handler is called any more.
  void finish();
  // For a connection that goes on with another protocol; no handler is called any more.
  void detach(std::function<void(Result<net::Detached>)> done);

 private:
  void received(const net::FrameView& frame);
  void closed(const Error& error);

  wire::Buffer buffer_;
  net::Connection connection_;
};

}  // namespace gallocy::daemon
