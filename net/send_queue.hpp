// Bytes on their way out: frames are copied into one buffer while the kernel sends from another,
// so no request ever names memory of the caller (a page frame may be punched away meanwhile), and
// all frames of a round leave in one send.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "net/frame.hpp"

namespace gallocy::net {

class SendQueue {
 public:
  // After a burst, buffers above this size are given back; below it they stay for good, so that
  // the steady state does not allocate.
  static constexpr std::size_t kept_bytes = 4 * 1024 * 1024;

  void append(const FrameHeader& header, std::span<const std::byte> message,
              std::span<const std::byte> payload);
  void append_raw(std::span<const std::byte> bytes) { append_bytes(bytes); }

  std::size_t unsent_bytes() const { return pending_.size() + sending_.size() - sent_; }

  // The bytes to send next; they stay where they are until sent() took all of them.
  std::span<const std::byte> to_send();
  void sent(std::size_t count);

  // Everything not sent, in order; the queue is empty afterwards. REQUIRES: no send in flight.
  std::vector<std::byte> take_unsent();

 private:
  void append_bytes(std::span<const std::byte> bytes);
  void append_padded(std::span<const std::byte> bytes);
  void recycle(std::vector<std::byte>& buffer);

  std::vector<std::byte> pending_;
  std::vector<std::byte> sending_;
  std::size_t sent_ = 0;  // of sending_
};

}  // namespace gallocy::net
