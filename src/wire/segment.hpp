// One message in one segment: the part of Cap'n Proto that both codecs share. Included by the
// .cpp files of this room only.
#pragma once

#include <capnp/message.h>
#include <kj/exception.h>

#include <cstddef>
#include <span>

#include "base/result.hpp"
#include "wire/buffer.hpp"

namespace gallocy::wire {

// Builds in the buffer's scratch words; its end moves the message out and leaves zeros behind.
class Encoding {
 public:
  explicit Encoding(Buffer& buffer);
  ~Encoding();
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;

  template <class Schema>
  typename Schema::Builder root() {
    return builder_.initRoot<Schema>();
  }

 private:
  Buffer& buffer_;
  capnp::MallocMessageBuilder builder_;
};

// Calls `decode` with a reader of the bytes. All that Cap'n Proto throws ends here.
template <class Schema, class Decode>
auto decode_segment(std::span<const std::byte> bytes, Decode decode)
    -> decltype(decode(std::declval<typename Schema::Reader>())) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return fail(EPROTO, "a message of ", bytes.size(), " bytes is no whole number of words");
  const kj::ArrayPtr<const capnp::word> segment(
      reinterpret_cast<const capnp::word*>(bytes.data()), bytes.size() / sizeof(capnp::word));
  // Each word of a correct message is read once; lists of nothing and loops cost words, too.
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 2 * segment.size() + 64;
  limits.nestingLimit = 4;
  try {
    capnp::SegmentArrayMessageReader reader(kj::arrayPtr(&segment, 1), limits);
    return decode(reader.getRoot<Schema>());
  } catch (const kj::Exception& error) {
    return fail(EPROTO, "malformed message: ", error.getDescription().cStr());
  }
}

}  // namespace gallocy::wire
