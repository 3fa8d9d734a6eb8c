#include "net/frame.hpp"

#include <bit>
#include <cstring>

#include "base/check.hpp"

namespace gallocy::net {
namespace {

static_assert(std::endian::native == std::endian::little);

template <class Word>
void put(std::span<std::byte, frame_header_bytes> out, std::size_t offset, Word value) {
  std::memcpy(out.data() + offset, &value, sizeof value);
}

template <class Word>
Word get(std::span<const std::byte, frame_header_bytes> bytes, std::size_t offset) {
  Word value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

void encode_header(const FrameHeader& header, std::span<std::byte, frame_header_bytes> out) {
  GALLOCY_CHECK(header.message_bytes <= max_message_bytes, GALLOCY_VALUE(header.message_bytes));
  GALLOCY_CHECK(header.payload_bytes <= max_payload_bytes, GALLOCY_VALUE(header.payload_bytes));
  put(out, 0, frame_magic);
  put(out, 4, header.message_bytes);
  put(out, 8, header.payload_bytes);
  put(out, 12, std::uint32_t{0});
  put(out, 16, header.sequence);
  put(out, 24, header.ack);
}

Result<FrameHeader> decode_header(std::span<const std::byte, frame_header_bytes> bytes) {
  const auto magic = get<std::uint32_t>(bytes, 0);
  if (magic != frame_magic)
    return fail(EPROTO, "the peer does not speak gallocy's protocol: a frame begins with ",
                Hex{magic});
  const FrameHeader header{get<std::uint32_t>(bytes, 4), get<std::uint32_t>(bytes, 8),
                           get<std::uint64_t>(bytes, 16), get<std::uint64_t>(bytes, 24)};
  if (header.message_bytes > max_message_bytes)
    return fail(EPROTO, "the peer sent a frame with a message of ", header.message_bytes,
                " bytes, more than ", max_message_bytes);
  if (header.payload_bytes > max_payload_bytes)
    return fail(EPROTO, "the peer sent a frame with a payload of ", header.payload_bytes,
                " bytes, more than ", max_payload_bytes);
  if (const auto reserved = get<std::uint32_t>(bytes, 12); reserved != 0)
    return fail(EPROTO, "the peer sent a frame with its reserved field set to ", Hex{reserved},
                ": is it a newer gallocy?");
  if (header.sequence == 0 && (header.message_bytes != 0 || header.payload_bytes != 0))
    return fail(EPROTO, "the peer sent a frame without a number");
  return header;
}

Result<std::size_t> parse_frame(std::span<const std::byte> bytes, FrameView& frame) {
  if (bytes.size() < frame_header_bytes) return std::size_t{0};
  const Result<FrameHeader> header = decode_header(bytes.first<frame_header_bytes>());
  if (!header) return tl::unexpected(header.error());
  const std::size_t whole = frame_bytes(header->message_bytes, header->payload_bytes);
  if (bytes.size() < whole) return std::size_t{0};
  const auto rest = bytes.subspan(frame_header_bytes);
  frame = {header->sequence, header->ack, rest.first(header->message_bytes),
           rest.subspan(padded(header->message_bytes), header->payload_bytes)};
  return whole;
}

}  // namespace gallocy::net
