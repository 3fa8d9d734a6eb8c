// Where messages are encoded. Reused for one message after another, so that sending does not
// allocate. Not for two threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gallocy::wire {

class Buffer {
 public:
  // Larger than any message of peer.capnp and link.capnp: a full report has 1,930.
  static constexpr std::size_t capacity_words = 2048;

  // The message encoded last; valid until the next.
  std::span<const std::byte> bytes() const {
    return std::as_bytes(std::span(message_)).first(size_bytes_);
  }

 private:
  friend class Encoding;
  std::array<std::uint64_t, capacity_words> scratch_{};  // all zeros between encodings
  std::array<std::uint64_t, capacity_words> message_{};
  std::size_t size_bytes_ = 0;
};

}  // namespace gallocy::wire
