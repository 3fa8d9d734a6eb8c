#include "wire/segment.hpp"

#include <cstring>

#include "base/check.hpp"

namespace gallocy::wire {

Encoding::Encoding(Buffer& buffer)
    : buffer_(buffer),
      builder_(kj::arrayPtr(reinterpret_cast<capnp::word*>(buffer.scratch_.data()),
                            buffer.scratch_.size())) {}

// The builder zeroes the scratch words in its destructor, after this.
Encoding::~Encoding() {
  const auto segments = builder_.getSegmentsForOutput();
  // A second segment would mean that a message outgrew the scratch words.
  GALLOCY_CHECK(segments.size() == 1, GALLOCY_VALUE(segments.size()));
  const auto bytes = segments[0].asBytes();
  std::memcpy(buffer_.message_.data(), bytes.begin(), bytes.size());
  buffer_.size_bytes_ = bytes.size();
}

}  // namespace gallocy::wire
