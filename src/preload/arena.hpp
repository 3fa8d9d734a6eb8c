// Memory for allocations before the job is joined: the dynamic linker and constructors of libraries
// make them. Each rank has addresses of its own. Those of rank 0 are shared with what points into
// them (segments.hpp); those of others stay private to their C library and dynamic linker.
//
// One thread: a rank that has more while it loads is refused. Nothing is reused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gallocy::preload::arena {

inline constexpr std::uint64_t base = 0x5540'0000'0000;
inline constexpr std::uint64_t rank_stride_bytes = std::uint64_t{1} << 32;
inline constexpr std::uint64_t size_bytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t end = base + 64 * rank_stride_bytes;

// nullptr: there is no more. The block is zeroed. The alignment is a power of two.
void* take(std::size_t size_bytes, std::size_t alignment_bytes = 16);

// A block of any rank's.
inline bool contains(const void* block) {
  return reinterpret_cast<std::uint64_t>(block) - base < end - base;
}

// REQUIRES: contains(block), and take() has made it.
std::size_t block_bytes(const void* block);

struct Used {
  std::uint64_t address;
  std::size_t size_bytes;  // whole pages, 0 if nothing was taken
};
Used used();

}  // namespace gallocy::preload::arena
