// Which block sizes there are and how many pages a span of each has. 16-byte steps to 128, then
// four sizes per doubling up to 32 KiB: at most a fifth of a block is lost to rounding.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/ids.hpp"

namespace gallocy::heap {

inline constexpr std::size_t block_alignment_bytes = 16;
inline constexpr std::size_t max_small_bytes = 32 * 1024;
inline constexpr unsigned class_count = 40;
inline constexpr unsigned max_blocks_per_span = 256;  // bits of PageState::taken

constexpr std::size_t class_bytes(unsigned size_class) {
  if (size_class < 8) return (size_class + 1) * std::size_t{16};
  const unsigned doubling = (size_class - 8) / 4, step = (size_class - 8) % 4;
  return (std::size_t{128} << doubling) + (step + 1) * (std::size_t{32} << doubling);
}

// REQUIRES: size_bytes <= max_small_bytes. The smallest class that holds it; 0 bytes get 16.
constexpr unsigned class_of(std::size_t size_bytes) {
  if (size_bytes <= 128) return size_bytes == 0 ? 0 : static_cast<unsigned>((size_bytes - 1) / 16);
  const unsigned doubling = static_cast<unsigned>(std::bit_width(size_bytes - 1)) - 8;
  const std::size_t base = std::size_t{128} << doubling, step = std::size_t{32} << doubling;
  return 8 + doubling * 4 + static_cast<unsigned>((size_bytes - 1 - base) / step);
}

// The fewest pages that hold at least 4 blocks and lose at most an eighth at the end.
constexpr unsigned span_pages_of(unsigned size_class) {
  const std::size_t block = class_bytes(size_class);
  for (unsigned pages = 1;; ++pages) {
    const std::size_t span = pages * page_bytes;
    if (span / block >= 4 && span % block * 8 <= span) return pages;
  }
}

constexpr unsigned blocks_of(unsigned size_class) {
  return static_cast<unsigned>(span_pages_of(size_class) * page_bytes / class_bytes(size_class));
}

static_assert(class_bytes(7) == 128 && class_bytes(8) == 160 && class_bytes(11) == 256);
static_assert(class_bytes(class_count - 1) == max_small_bytes);
static_assert(max_small_bytes % page_bytes == 0);
static_assert(class_of(max_small_bytes) == class_count - 1 && class_of(129) == 8);
static_assert(blocks_of(0) == max_blocks_per_span);

}  // namespace gallocy::heap
