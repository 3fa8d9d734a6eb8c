#include "net/frame.hpp"

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

TEST_CASE("a header stands on the wire as documented") {
  std::byte bytes[frame_header_bytes];
  encode_header({5, 4096, 7, 0x0102030405060708}, bytes);
  CHECK(text_of(bytes) == std::string("GLY1\5\0\0\0\0\x10\0\0\0\0\0\0"
                                      "\7\0\0\0\0\0\0\0\x8\7\6\5\4\3\2\1", 32));
  const auto header = decode_header(bytes);
  REQUIRE(header);
  CHECK(header->message_bytes == 5);
  CHECK(header->payload_bytes == 4096);
  CHECK(header->sequence == 7);
  CHECK(header->ack == 0x0102030405060708);
}

TEST_CASE("message, payload and the next frame are 8-aligned") {
  auto stream = encode(1, pattern(1, 13), pattern(2, 21));
  const auto second = encode(2, pattern(3, 1));
  stream.insert(stream.end(), second.begin(), second.end());
  FrameView frame;
  const auto taken = parse_frame(stream, frame);
  REQUIRE(taken);
  CHECK(*taken == 32 + 16 + 24);
  CHECK(equal(frame.message, pattern(1, 13)));
  CHECK(equal(frame.payload, pattern(2, 21)));
  CHECK((frame.payload.data() - stream.data()) % 8 == 0);
  const auto next = parse_frame(std::span(stream).subspan(*taken), frame);
  REQUIRE(next);
  CHECK(*next == second.size());
  CHECK(equal(frame.message, pattern(3, 1)));
}

TEST_CASE("fed byte by byte, frames come out whole and in order") {
  std::vector<std::byte> stream;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto frame = encode(i, pattern(i, i * 7), pattern(i + 100, i * 50 % 300), i);
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  std::size_t begin = 0;
  std::uint64_t count = 0;
  for (std::size_t end = 1; end <= stream.size(); ++end) {
    FrameView frame;
    const auto taken = parse_frame(std::span(stream).subspan(begin, end - begin), frame);
    REQUIRE(taken);
    if (*taken == 0) continue;
    REQUIRE(*taken == end - begin);
    CHECK(equal(frame.message, pattern(frame.sequence, frame.sequence * 7)));
    CHECK(frame.sequence == ++count);
    CHECK(frame.ack == frame.sequence);
    begin = end;
  }
  CHECK(begin == stream.size());
  CHECK(count == 20);
}

namespace {

std::string parse_error(std::span<const std::byte> bytes) {
  FrameView frame;
  const auto taken = parse_frame(bytes, frame);
  return taken ? "no error" : std::string(taken.error().sentence.view());
}

std::vector<std::byte> header_with(std::size_t offset, std::uint32_t word) {
  auto bytes = encode(1, {});
  std::memcpy(bytes.data() + offset, &word, sizeof word);
  return bytes;
}

}  // namespace

TEST_CASE("bad headers are refused before their body came") {
  CHECK(parse_error(header_with(0, 0x20544547)) ==
        "the peer does not speak gallocy's protocol: a frame begins with 0x20544547");
  CHECK(contains(parse_error(header_with(4, max_message_bytes + 1)), "a message of 65537 bytes"));
  CHECK(contains(parse_error(header_with(4, 0xffff'ffff)), "a message of 4294967295 bytes"));
  CHECK(contains(parse_error(header_with(8, max_payload_bytes + 1)), "a payload of 262145"));
  CHECK(contains(parse_error(header_with(12, 1)), "reserved"));
  CHECK(parse_error(header_with(4, max_message_bytes)) == "no error");
  CHECK(parse_error(header_with(8, max_payload_bytes)) == "no error");
}

TEST_CASE("a frame without a number has nothing but its acknowledgement") {
  FrameView frame;
  const auto bare = encode(0, {}, {}, 7);
  CHECK(parse_frame(bare, frame).value() == frame_header_bytes);
  CHECK(frame.ack == 7);
  CHECK(parse_error(encode(0, bytes_of("x"))) == "the peer sent a frame without a number");
  CHECK(parse_error(encode(0, {}, bytes_of("x"))) == "the peer sent a frame without a number");
}
