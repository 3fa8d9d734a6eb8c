// Where a connection receives: bytes of one memory block, frames parsed at its front.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "net/frame.hpp"

namespace gallocy::net {

// Invariants: 8-aligned front as long as whole frames are consumed; a partial frame always finds
// room for its rest. Empty means that the next bytes go to the beginning, which is hot in the
// cache; memory further back is touched (and so exists) only on connections that need it.
class ReceiveBuffer {
 public:
  static constexpr std::size_t capacity_bytes = 512 * 1024;
  static_assert(capacity_bytes >= max_frame_bytes + 128 * 1024);

  ReceiveBuffer();
  // Forgets what is there, for the bytes with which another stream begins.
  void begin(std::span<const std::byte> unread);

  std::span<std::byte> room() { return {bytes_.get() + end_, capacity_bytes - end_}; }
  void received(std::size_t count);

  std::span<const std::byte> unread() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t count);

  // Makes room for the rest of a partial frame; moves what unread() returned.
  void compact();

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace gallocy::net
