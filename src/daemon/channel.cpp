#include "daemon/channel.hpp"

#include <utility>

namespace gallocy::daemon {

Channel::Channel(net::Ring& ring, UniqueFd fd) : connection_(ring, std::move(fd), events()) {}

Channel::Channel(net::Ring& ring, std::uint64_t patience_us)
    : connection_(ring, patience_us, events()) {}

net::ConnectionEvents Channel::events() {
  return {[this](const net::FrameView& frame) { received(frame); },
          [this](const Error& error) { closed(error); },
          [this](const Error& error) {
            if (on_broken) on_broken(error);
          }};
}

void Channel::send(const wire::LinkMessage& message) {
  connection_.send(wire::encode(message, buffer_));
}

void Channel::finish() {
  on_message = nullptr;
  on_closed = nullptr;
  connection_.finish();
}

void Channel::detach(std::function<void(Result<net::Detached>)> done) {
  on_message = nullptr;
  on_closed = nullptr;
  connection_.detach(std::move(done));
}

void Channel::received(const net::FrameView& frame) {
  auto message = wire::decode_link(frame.message);
  if (message && !frame.payload.empty())
    message = fail(EPROTO, "malformed message: bytes beside a message that has none");
  if (!message) {
    connection_.close();
    return closed(message.error());
  }
  // A copy: the handler may replace itself, or destroy this.
  if (const auto handler = on_message) handler(*message);
}

void Channel::closed(const Error& error) {
  const auto handler = std::exchange(on_closed, nullptr);
  on_message = nullptr;
  on_broken = nullptr;
  if (handler) handler(error);
}

}  // namespace gallocy::daemon
