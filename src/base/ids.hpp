// The nouns of the protocol as types of their own, so that a page number is never passed for
// a chunk number. All are plain integers in memory and on the wire; raw() gets at the number.
#pragma once

#include <cstdint>
#include <type_traits>

namespace gallocy {

enum class NodeId : std::uint8_t {};        // one gallocyd; 0 .. max_node_count - 1
enum class PageNo : std::uint64_t {};       // dense number of a 4 KiB page within a job
enum class ChunkNo : std::uint32_t {};      // page number / pages_per_chunk
enum class ClientId : std::uint16_t {};     // a process attached to a job, unique on its node
enum class JobId : std::uint64_t {};        // random, chosen by the launcher
enum class Epoch : std::uint64_t {};        // membership generation; 1 until consensus exists
enum class Version : std::uint32_t {};      // generation of a page's bytes, +1 per exclusive grant
enum class ThreadId : std::uint64_t {};     // creating node << 48 | counter; never 0
enum class Incarnation : std::uint64_t {};  // random, made at each start of a daemon

template <class Id>
  requires std::is_enum_v<Id>
constexpr auto raw(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}

inline constexpr unsigned max_node_count = 64;
inline constexpr NodeId no_node{0xff};
inline constexpr ChunkNo no_chunk{0xffff'ffff};
inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr std::uint64_t pages_per_chunk = 512;
inline constexpr std::uint64_t chunk_bytes = page_bytes * pages_per_chunk;

// Where a job's region begins, in every process of every node. Free with and without the
// sanitizers, and below it lies nothing that ASLR could place there.
inline constexpr std::uint64_t region_base = 0x5500'0000'0000;

constexpr ChunkNo chunk_of(PageNo page) {
  return ChunkNo{static_cast<std::uint32_t>(raw(page) / pages_per_chunk)};
}

constexpr NodeId creator_of(ThreadId thread) {
  return NodeId{static_cast<std::uint8_t>(raw(thread) >> 48)};
}

}  // namespace gallocy
