// Core messages as bytes, as specified in peer.capnp.
#pragma once

#include <cstddef>
#include <span>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "core/message.hpp"
#include "wire/buffer.hpp"

namespace gallocy::wire {

// The result is buffer.bytes(). Does not allocate.
std::span<const std::byte> encode(JobId job, const core::Message& message, Buffer& buffer);

struct Decoded {
  JobId job{};
  core::Message message;
};

// Every number in the result is within the ranges of peer.capnp. EPROTO: the peer sent what no
// correct peer sends, and is to be dropped. Does not allocate unless it fails.
// REQUIRES: the bytes begin at a multiple of 8, as in a receive buffer.
Result<Decoded> decode(std::span<const std::byte> bytes);

// How many bytes travel beside the message. A frame with another number is malformed.
std::size_t payload_bytes(const core::Message& message);

}  // namespace gallocy::wire
