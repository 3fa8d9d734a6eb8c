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
  // One that survives its streams: net/connection.hpp.
  Channel(net::Ring& ring, std::uint64_t patience_us);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  std::function<void(const wire::LinkMessage&)> on_message;
  // Once: the peer has gone, or sent what is no link message.
  std::function<void(const Error&)> on_closed;

  std::function<void(const Error&)> on_broken;

  void send(const wire::LinkMessage& message);
  // Sends the rest, then ends; no handler is called any more.
  void finish();
  void take_up(net::Detached stream) { connection_.take_up(std::move(stream)); }
  std::uint64_t resumed_count() const { return connection_.counters().resumed_count; }
  // For a stream that another connection goes on with; no handler is called any more.
  void detach(std::function<void(Result<net::Detached>)> done);

 private:
  net::ConnectionEvents events();
  void received(const net::FrameView& frame);
  void closed(const Error& error);

  wire::Buffer buffer_;
  net::Connection connection_;
};

}  // namespace gallocy::daemon
