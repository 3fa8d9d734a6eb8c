// A run of the region's pages that a client sees at another address, where a program expects its
// own data to lie. Locks, homes and other clients know the pages by their own addresses, those in
// the region; which is a matter of one client and its daemon. This is how both judge a window.
#pragma once

#include "base/ids.hpp"

namespace gallocy::ipc {

inline constexpr std::uint32_t window_count_max = 1024;  // of one client

struct Window {
  std::uint64_t address = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t own_address = 0;  // of the first page, in the region
};

constexpr bool overlap(std::uint64_t first, std::uint64_t first_bytes, std::uint64_t second,
                       std::uint64_t second_bytes) {
  return first < second + second_bytes && second < first + first_bytes;
}

// Of whole pages, all of them the region's, and nowhere in the region itself.
constexpr bool is_sound(const Window& window, std::uint64_t region_address,
                        std::uint64_t region_size_bytes) {
  const auto [address, size_bytes, own_address] = window;
  if ((address | size_bytes | own_address) % page_bytes != 0 || size_bytes == 0) return false;
  const std::uint64_t offset = own_address - region_address;
  if (offset >= region_size_bytes || size_bytes > region_size_bytes - offset) return false;
  if (address + size_bytes < address) return false;
  return !overlap(address, size_bytes, region_address, region_size_bytes);
}

// One address would show two pages, or one page would be seen at two. REQUIRES: both are sound.
constexpr bool collide(const Window& one, const Window& other) {
  return overlap(one.address, one.size_bytes, other.address, other.size_bytes) ||
         overlap(one.own_address, one.size_bytes, other.own_address, other.size_bytes);
}

}  // namespace gallocy::ipc
