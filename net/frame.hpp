// How bytes are cut into frames on a connection. Pure: no descriptor, no allocation.
//
//   offset  bytes
//        0      4  magic "GLY1"
//        4      4  message length, at most 64 KiB
//        8      4  payload length, at most 256 KiB
//       12      4  zero, reserved
//       16      8  sequence number, from 1 in each direction, without gaps; 0: a frame without
//                  message and payload, that only acknowledges
//       24      8  acknowledgement: the highest sequence number received so far
//       32         message, padded to 8 bytes, then payload, padded to 8 bytes
//
// All little endian. The payload (page bytes) lies beside the message, not in it, so that the
// message's codec never walks over it. The padding keeps message, payload and the next header
// 8-aligned in a receive buffer that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"

namespace gallocy::net {

inline constexpr std::uint32_t frame_magic = 0x3159'4c47;
inline constexpr std::size_t frame_header_bytes = 32;
inline constexpr std::size_t max_message_bytes = 64 * 1024;
inline constexpr std::size_t max_payload_bytes = 256 * 1024;

constexpr std::size_t padded(std::size_t size_bytes) { return (size_bytes + 7) & ~std::size_t{7}; }

constexpr std::size_t frame_bytes(std::size_t message_bytes, std::size_t payload_bytes) {
  return frame_header_bytes + padded(message_bytes) + padded(payload_bytes);
}

inline constexpr std::size_t max_frame_bytes = frame_bytes(max_message_bytes, max_payload_bytes);

struct FrameHeader {
  std::uint32_t message_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t sequence = 0;
  std::uint64_t ack = 0;
};

struct FrameView {
  std::uint64_t sequence = 0;
  std::uint64_t ack = 0;
  std::span<const std::byte> message;
  std::span<const std::byte> payload;
};

void encode_header(const FrameHeader& header, std::span<std::byte, frame_header_bytes> out);

// Errors: wrong magic, reserved field set, lengths above the limits, or any where number is 0.
Result<FrameHeader> decode_header(std::span<const std::byte, frame_header_bytes> bytes);

// Looks for one frame at the beginning of `bytes`: returns the bytes that it takes, and a view
// into them, or 0 if it has not come whole. An error is final: the stream is not in step.
Result<std::size_t> parse_frame(std::span<const std::byte> bytes, FrameView& frame);

}  // namespace gallocy::net
