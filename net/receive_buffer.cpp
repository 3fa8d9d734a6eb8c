#include "net/receive_buffer.hpp"

#include <cstring>

#include "base/check.hpp"

namespace gallocy::net {

ReceiveBuffer::ReceiveBuffer()
    : bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity_bytes)) {}

void ReceiveBuffer::begin(std::span<const std::byte> unread) {
  GALLOCY_CHECK(unread.size() <= capacity_bytes, GALLOCY_VALUE(unread.size()));
  if (!unread.empty()) std::memcpy(bytes_.get(), unread.data(), unread.size());
  begin_ = 0;
  end_ = unread.size();
}

void ReceiveBuffer::received(std::size_t count) {
  GALLOCY_CHECK(count <= capacity_bytes - end_, GALLOCY_VALUE(count), GALLOCY_VALUE(end_));
  end_ += count;
}

void ReceiveBuffer::consume(std::size_t count) {
  GALLOCY_CHECK(count <= end_ - begin_, GALLOCY_VALUE(count), GALLOCY_VALUE(end_ - begin_));
  begin_ += count;
}

void ReceiveBuffer::compact() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > capacity_bytes - max_frame_bytes) {
    // At most once in (capacity - longest frame) received bytes.
    std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
}

}  // namespace gallocy::net
