// Frames on their way out, and those that may have to be sent again.
//
// A frame is copied once, when it is appended, into a block of memory; the kernel sends from
// there, so no request ever names memory of the caller (a page frame may be punched away
// meanwhile), and the copy stays until the peer has acknowledged the frame. Blocks never move:
// frames are appended while the kernel sends.
//
//     first block                    last block
//     |  given back | kept, sent | kept, unsent      |
//                   ^ begin      ^ cursor        end ^
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "net/frame.hpp"

namespace gallocy::net {

class SendQueue {
 public:
  static constexpr std::size_t block_bytes = 256 * 1024;  // of all but the largest frames
  // After a burst, blocks beyond this are given back; below it they stay for good, so that the
  // steady state does not allocate.
  static constexpr std::size_t spare_bytes = 4 * 1024 * 1024;

  // Without acknowledgements a frame is kept until it was sent.
  explicit SendQueue(bool acknowledged) : acked_(acknowledged ? 0 : ~std::uint64_t{0}) {}

  void append(const FrameHeader& header, std::span<const std::byte> message,
              std::span<const std::byte> payload);

  std::size_t kept_bytes() const { return kept_bytes_; }  // frames, sent or not
  std::size_t unsent_bytes() const { return unsent_bytes_ + preamble_.size() - preamble_sent_; }

  // The bytes to send next; they stay where they are until sent().
  std::span<const std::byte> to_send();
  void sent(std::size_t count);

  // The peer has all frames up to this one. Those that the kernel may still be sending stay until
  // sent() says otherwise.
  void acknowledge(std::uint64_t sequence);

  // A new stream: first these bytes, which belong to no frame and are never sent again, then,
  // after resume(), all frames behind the one named. REQUIRES: no send in flight.
  void begin_stream(std::vector<std::byte> preamble);
  void resume(std::uint64_t received_by_peer);

  // Everything not sent, in order; the queue is empty afterwards. REQUIRES: no send in flight.
  std::vector<std::byte> take_unsent();

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t capacity = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  struct Cursor {
    std::size_t block = 0;
    std::size_t offset = 0;
  };

  Block& block_with_room(std::size_t size);
  std::span<const std::byte> frames_to_send();
  void release(bool sent_only);
  void retire_first_block();
  bool is_sent(std::size_t end_of_first_frame) const {
    return cursor_.block > 0 || cursor_.offset >= end_of_first_frame;
  }

  std::deque<Block> blocks_;
  std::vector<Block> spare_;
  Cursor cursor_;
  std::size_t kept_bytes_ = 0;
  std::size_t unsent_bytes_ = 0;  // of kept_bytes_
  std::uint64_t acked_;
  bool resumed_ = true;  // frames may follow the preamble
  std::vector<std::byte> preamble_;
  std::size_t preamble_sent_ = 0;
};

}  // namespace gallocy::net
