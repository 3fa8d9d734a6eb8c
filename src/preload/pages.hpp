// Whole pages, and copying and clearing them. A page of zeros that nobody has written takes no
// memory, on any node: it shall stay so.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>

#include "base/ids.hpp"

namespace gallocy::preload {

struct Range {  // of whole pages
  std::uint64_t begin, end;
  std::uint64_t size_bytes() const { return end - begin; }
  void* pointer() const { return reinterpret_cast<void*>(begin); }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

constexpr bool is_at_page(std::uint64_t address) { return address % page_bytes == 0; }

constexpr std::uint64_t page_down(std::uint64_t address) {
  return address / page_bytes * page_bytes;
}
constexpr std::uint64_t page_up(std::uint64_t address) {
  return page_down(address + page_bytes - 1);
}

// What a call names. False: there can be no such range.
constexpr bool read_range(std::uint64_t begin, std::size_t size_bytes, Range& range) {
  constexpr std::uint64_t address_space_bytes = std::uint64_t{1} << 47;
  if (begin > address_space_bytes || size_bytes > address_space_bytes) return false;
  range = {begin, begin + page_up(size_bytes)};
  return true;
}

inline bool is_zero_page(const std::byte* page) {
  return page[0] == std::byte{0} && ::memcmp(page, page + 1, page_bytes - 1) == 0;
}

inline void clear_page(std::byte* page) {
  if (!is_zero_page(page)) ::memset(page, 0, page_bytes);
}

inline void clear_pages(Range range) {
  auto* bytes = static_cast<std::byte*>(range.pointer());
  for (std::size_t done = 0; done < range.size_bytes(); done += page_bytes)
    clear_page(bytes + done);
}

inline void copy_pages(void* to, const void* from, std::size_t size_bytes) {
  auto* copy = static_cast<std::byte*>(to);
  const auto* bytes = static_cast<const std::byte*>(from);
  for (std::size_t done = 0; done < size_bytes; done += page_bytes)
    if (is_zero_page(bytes + done)) clear_page(copy + done);
    else ::memcpy(copy + done, bytes + done, page_bytes);
}

// REQUIRES: `to` holds zeros.
inline void copy_to_zeros(void* to, const void* from, std::size_t size_bytes) {
  auto* copy = static_cast<std::byte*>(to);
  const auto* bytes = static_cast<const std::byte*>(from);
  for (std::size_t done = 0; done < size_bytes; done += page_bytes)
    if (!is_zero_page(bytes + done)) ::memcpy(copy + done, bytes + done, page_bytes);
}

}  // namespace gallocy::preload
