// What daemons say to each other besides a job's traffic, as specified in link.capnp.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/placement_policy.hpp"
#include "base/result.hpp"
#include "wire/buffer.hpp"

namespace gallocy::wire {

inline constexpr std::uint32_t link_magic = 0x4c59'4c47;  // "GLYL"
inline constexpr std::uint32_t link_version = 2;
inline constexpr unsigned max_rank_nodes = 64;

enum class ConnectionKind : std::uint8_t { link, job_control, job_bulk };

struct Hello {
  std::uint32_t version = link_version;
  std::uint64_t features = 0;
  Epoch epoch{1};
  NodeId node{};
  Incarnation incarnation{};
  ConnectionKind kind = ConnectionKind::link;
  JobId job{};
  std::uint64_t session = 0;
};

struct HelloReply {
  std::uint32_t version = link_version;
  std::uint64_t features = 0;
  Epoch epoch{1};
  NodeId node{};
  Incarnation incarnation{};
  bool goes_on = false;
  bool accepted = false;
  Sentence sentence;
};

struct JobOpen {
  JobId job{};
  uid_t uid = 0;
  std::uint64_t region_size_bytes = 0;
  std::vector<NodeId> rank_nodes;
  std::vector<std::uint16_t> rank_cpus;  // as many
  PlacementPolicy placement = PlacementPolicy::spread;
  bool every_rank_runs_main = false;
  std::uint64_t memory_bytes = 0;  // bound of the job on each node; 0: as each daemon shares
};

struct JobReady {
  JobId job{};
};

struct JobFailed {
  JobId job{};
  Sentence sentence;
};

struct JobEnd {
  JobId job{};
  std::int32_t status = 0;
};

using LinkMessage = std::variant<Hello, HelloReply, JobOpen, JobReady, JobFailed, JobEnd>;

// The result is buffer.bytes().
std::span<const std::byte> encode(const LinkMessage& message, Buffer& buffer);

// A hello of another version is no error here: the one who refuses it has to answer. Its other
// fields are then unchecked. Sentences hold printable characters only. EPROTO as for decode().
// REQUIRES: the bytes begin at a multiple of 8.
Result<LinkMessage> decode_link(std::span<const std::byte> bytes);

}  // namespace gallocy::wire
