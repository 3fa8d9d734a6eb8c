#include "net/send_queue.hpp"

#include <utility>

#include "base/check.hpp"

namespace gallocy::net {

void SendQueue::append(const FrameHeader& header, std::span<const std::byte> message,
                       std::span<const std::byte> payload) {
  std::byte encoded[frame_header_bytes];
  encode_header(header, encoded);
  append_bytes(encoded);
  append_padded(message);
  append_padded(payload);
}

void SendQueue::append_bytes(std::span<const std::byte> bytes) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
}

void SendQueue::append_padded(std::span<const std::byte> bytes) {
  static constexpr std::byte zeros[8] = {};
  append_bytes(bytes);
  append_bytes(std::span(zeros).first(padded(bytes.size()) - bytes.size()));
}

std::span<const std::byte> SendQueue::to_send() {
  if (sending_.empty()) std::swap(sending_, pending_);
  return std::span(sending_).subspan(sent_);
}

void SendQueue::sent(std::size_t count) {
  GALLOCY_CHECK(count <= sending_.size() - sent_, GALLOCY_VALUE(count), GALLOCY_VALUE(sent_));
  sent_ += count;
  if (sent_ != sending_.size()) return;
  sent_ = 0;
  recycle(sending_);
}

void SendQueue::recycle(std::vector<std::byte>& buffer) {
  if (buffer.capacity() > kept_bytes) std::vector<std::byte>().swap(buffer);
  buffer.clear();
}

std::vector<std::byte> SendQueue::take_unsent() {
  std::vector<std::byte> unsent(sending_.begin() + static_cast<std::ptrdiff_t>(sent_),
                                sending_.end());
  unsent.insert(unsent.end(), pending_.begin(), pending_.end());
  sent_ = 0;
  sending_.clear();
  pending_.clear();
  return unsent;
}

}  // namespace gallocy::net
