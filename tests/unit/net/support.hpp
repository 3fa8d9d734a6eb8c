// What the tests of this room share. Nothing waits without a deadline.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.hpp"
#include "net/endpoint.hpp"
#include "net/ring.hpp"

namespace gallocy::net::test {

inline constexpr std::uint64_t patience_us = 20'000'000;

inline std::unique_ptr<Ring> make_ring() {
  auto ring = Ring::create();
  if (!ring) FAIL(ring.error().sentence.c_str());
  return std::move(*ring);
}

// Runs rounds until the predicate holds; false after the deadline.
inline bool run_until(Ring& ring, const std::function<bool()>& holds,
                      std::uint64_t within_us = patience_us) {
  const std::uint64_t deadline = now_us() + within_us;
  while (!holds()) {
    if (now_us() > deadline) return false;
    const Status round = ring.run_once(deadline);
    if (!round) FAIL(round.error().sentence.c_str());
  }
  return true;
}

inline void run_for(Ring& ring, std::uint64_t us) {
  run_until(ring, [] { return false; }, us);
}

struct SocketPair {
  UniqueFd a, b;
};

// Two ends of a TCP connection over loopback, made without a ring.
inline SocketPair tcp_pair(int buffer_bytes = 0) {
  Endpoint at = *parse_endpoint("127.0.0.1:0");
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
  REQUIRE(::bind(listener.get(), at.get(), at.size_bytes) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  at = *local_endpoint(listener.get());
  SocketPair pair;
  pair.a.reset(::socket(AF_INET, SOCK_STREAM, 0));
  if (buffer_bytes != 0) {
    // Inherited by what the listener accepts.
    for (const int fd : {pair.a.get(), listener.get()}) {
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    }
  }
  REQUIRE(::connect(pair.a.get(), at.get(), at.size_bytes) == 0);
  pair.b.reset(::accept(listener.get(), nullptr, nullptr));
  REQUIRE(pair.b.get() >= 0);
  return pair;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Bytes that tell which frame and offset they belong to.
inline std::vector<std::byte> pattern(std::uint64_t seed, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((seed * 2654435761u + i * 31 + (i >> 8)) & 0xff);
  return bytes;
}

inline bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// A whole frame as it stands on the wire.
inline std::vector<std::byte> encode(std::uint64_t sequence, std::span<const std::byte> message,
                                     std::span<const std::byte> payload = {},
                                     std::uint64_t ack = 0) {
  std::vector<std::byte> frame(frame_bytes(message.size(), payload.size()));
  encode_header({static_cast<std::uint32_t>(message.size()),
                 static_cast<std::uint32_t>(payload.size()), sequence, ack},
                std::span(frame).first<frame_header_bytes>());
  std::copy(message.begin(), message.end(), frame.begin() + frame_header_bytes);
  std::copy(payload.begin(), payload.end(),
            frame.begin() + static_cast<std::ptrdiff_t>(frame_header_bytes +
                                                        padded(message.size())));
  return frame;
}

inline void write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    REQUIRE(count > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

// A connection with a record of what happened to it.
struct Peer {
  std::vector<std::string> messages;
  std::vector<Error> ends;
  std::vector<Error> breaks;
  std::function<void(const FrameView&)> on_frame;
  std::function<void()> on_broken;
  Connection connection;

  Peer(Ring& ring, UniqueFd fd) : connection(ring, std::move(fd), events()) {}
  // One that survives its streams.
  explicit Peer(Ring& ring, std::uint64_t given_patience_us = patience_us)
      : connection(ring, given_patience_us, events()) {}
  Peer(Ring& ring, Detached stream) : Peer(ring) { connection.take_up(std::move(stream)); }

  ConnectionEvents events() {
    return {[this](const FrameView& frame) {
              if (on_frame) on_frame(frame);
              else messages.push_back(text_of(frame.message));
            },
            [this](const Error& error) { ends.push_back(error); },
            [this](const Error& error) {
              breaks.push_back(error);
              if (on_broken) on_broken();
            }};
  }
  std::string_view end() const { return ends.size() == 1 ? ends[0].sentence.view() : ""; }
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace gallocy::net::test
