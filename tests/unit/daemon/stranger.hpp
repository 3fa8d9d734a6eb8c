// A peer by hand: it dials a daemon and says what a test wants.
#pragma once

#include "support.hpp"

namespace gallocy::daemon::test {

inline UniqueFd dial(const Daemon& daemon) {
  const auto to = *net::parse_endpoint("127.0.0.1:" + std::to_string(daemon.port()));
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(fd.get(), to.get(), to.size_bytes) == 0);
  return fd;
}

inline bool closed_by_peer(int fd) {
  std::byte bytes[512];
  for (;;) {
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, patience_ms) != 1) return false;
    if (::recv(fd, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

inline void send_bytes(int fd, std::span<const std::byte> bytes) {
  static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

inline void send_frame(int fd, const wire::LinkMessage& message) {
  wire::Buffer buffer;
  const auto bytes = wire::encode(message, buffer);
  std::vector<std::byte> frame(net::frame_bytes(bytes.size(), 0));
  net::encode_header({static_cast<std::uint32_t>(bytes.size()), 0, 1, 0},
                     std::span(frame).first<net::frame_header_bytes>());
  std::copy(bytes.begin(), bytes.end(), frame.begin() + net::frame_header_bytes);
  send_bytes(fd, frame);
}

inline wire::HelloReply reply_from(int fd) {
  std::uint64_t words[128];
  const std::span bytes = std::as_writable_bytes(std::span(words));
  pollfd entry{fd, POLLIN, 0};
  REQUIRE(::poll(&entry, 1, patience_ms) == 1);
  const auto size = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
  REQUIRE(size > 0);
  net::FrameView frame;
  const auto taken = net::parse_frame(bytes.first(static_cast<std::size_t>(size)), frame);
  REQUIRE(taken);
  REQUIRE(::recv(fd, bytes.data(), *taken, 0) == static_cast<ssize_t>(*taken));
  const auto message = wire::decode_link(frame.message);
  REQUIRE(message);
  return std::get<wire::HelloReply>(*message);
}

inline std::string refusal_of(const Daemon& daemon, const wire::Hello& hello) {
  const UniqueFd fd = dial(daemon);
  send_frame(fd.get(), hello);
  const wire::HelloReply reply = reply_from(fd.get());
  if (reply.accepted) return "accepted";
  CHECK(closed_by_peer(fd.get()));
  return std::string(reply.sentence.view());
}

inline wire::Hello hello_of_node(unsigned node) {
  wire::Hello hello;
  hello.node = NodeId{static_cast<std::uint8_t>(node)};
  hello.incarnation = Incarnation{0xabcdef};
  return hello;
}

}  // namespace gallocy::daemon::test
