#include "net/send_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"

namespace gallocy::net {
namespace {

std::byte* put_padded(std::byte* to, std::span<const std::byte> bytes) {
  const std::size_t size = bytes.size();
  if (size != 0) std::memcpy(to, bytes.data(), size);
  std::memset(to + size, 0, padded(size) - size);
  return to + padded(size);
}

}  // namespace

void SendQueue::append(const FrameHeader& header, std::span<const std::byte> message,
                       std::span<const std::byte> payload) {
  const std::size_t size = frame_bytes(message.size(), payload.size());
  Block& block = block_with_room(size);
  std::byte* to = block.bytes.get() + block.end;
  encode_header(header, std::span<std::byte, frame_header_bytes>(to, frame_header_bytes));
  put_padded(put_padded(to + frame_header_bytes, message), payload);
  block.end += size;
  kept_bytes_ += size;
  unsent_bytes_ += size;
}

SendQueue::Block& SendQueue::block_with_room(std::size_t size) {
  if (!blocks_.empty() && blocks_.back().capacity - blocks_.back().end >= size)
    return blocks_.back();
  if (size <= block_bytes && !spare_.empty()) {
    blocks_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  } else {
    const std::size_t capacity = std::max(size, block_bytes);
    blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(capacity), capacity, 0, 0});
  }
  return blocks_.back();
}

std::span<const std::byte> SendQueue::to_send() {
  if (preamble_sent_ < preamble_.size()) return std::span(preamble_).subspan(preamble_sent_);
  return resumed_ ? frames_to_send() : std::span<const std::byte>{};
}

std::span<const std::byte> SendQueue::frames_to_send() {
  if (unsent_bytes_ == 0) return {};
  if (cursor_.offset == blocks_[cursor_.block].end) cursor_ = {cursor_.block + 1, 0};
  const Block& block = blocks_[cursor_.block];
  return {block.bytes.get() + cursor_.offset, block.end - cursor_.offset};
}

void SendQueue::sent(std::size_t count) {
  if (preamble_sent_ < preamble_.size()) {
    GALLOCY_CHECK(count <= preamble_.size() - preamble_sent_, GALLOCY_VALUE(count));
    preamble_sent_ += count;
    return;
  }
  GALLOCY_CHECK(count <= unsent_bytes_, GALLOCY_VALUE(count), GALLOCY_VALUE(unsent_bytes_));
  cursor_.offset += count;
  unsent_bytes_ -= count;
  release(true);
}

void SendQueue::acknowledge(std::uint64_t sequence) {
  acked_ = sequence;
  release(true);
}

void SendQueue::begin_stream(std::vector<std::byte> preamble) {
  preamble_ = std::move(preamble);
  preamble_sent_ = 0;
  resumed_ = false;
  cursor_ = {0, blocks_.empty() ? 0 : blocks_.front().begin};
  unsent_bytes_ = kept_bytes_;
}

void SendQueue::resume(std::uint64_t received_by_peer) {
  acked_ = received_by_peer;
  release(false);
  cursor_ = {0, blocks_.empty() ? 0 : blocks_.front().begin};
  unsent_bytes_ = kept_bytes_;
  resumed_ = true;
}

// Headers say where frames end: nothing else needs to be kept about them. A frame that only
// acknowledges has number 0, so it goes as soon as it comes to the front and was sent.
void SendQueue::release(bool sent_only) {
  while (kept_bytes_ != 0) {
    Block& block = blocks_.front();
    if (block.begin == block.end) {
      retire_first_block();
      continue;
    }
    const auto header = decode_header(std::span<const std::byte, frame_header_bytes>(
        block.bytes.get() + block.begin, frame_header_bytes));
    const std::size_t size = frame_bytes(header->message_bytes, header->payload_bytes);
    if (header->sequence > acked_ || (sent_only && !is_sent(block.begin + size))) return;
    block.begin += size;
    kept_bytes_ -= size;
  }
  // Nothing is kept: the next frame goes to the beginning of a block that is hot in the cache.
  while (blocks_.size() > 1) retire_first_block();
  if (!blocks_.empty()) blocks_.front().begin = blocks_.front().end = 0;
  cursor_ = {};
}

void SendQueue::retire_first_block() {
  Block block = std::move(blocks_.front());
  blocks_.pop_front();
  if (cursor_.block > 0) --cursor_.block;
  else cursor_ = {0, blocks_.front().begin};
  if (block.capacity != block_bytes || spare_.size() == spare_bytes / block_bytes) return;
  block.begin = block.end = 0;
  spare_.push_back(std::move(block));
}

std::vector<std::byte> SendQueue::take_unsent() {
  std::vector<std::byte> unsent(preamble_.begin() + static_cast<std::ptrdiff_t>(preamble_sent_),
                                preamble_.end());
  preamble_.clear();
  preamble_sent_ = 0;
  for (std::size_t i = cursor_.block; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const std::size_t from = i == cursor_.block ? cursor_.offset : block.begin;
    unsent.insert(unsent.end(), block.bytes.get() + from, block.bytes.get() + block.end);
  }
  blocks_.clear();
  cursor_ = {};
  kept_bytes_ = unsent_bytes_ = 0;
  return unsent;
}

}  // namespace gallocy::net
