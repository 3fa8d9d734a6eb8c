// How much memory a person gives gallocy: sizes as they are written.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace gallocy {

// Of a job on one node: its in-flight slots, and enough pages to work with.
inline constexpr std::uint64_t min_memory_bytes = 16 << 20;

// "64M": a number, in bytes or with one of the suffixes K, M, G (of 1024). Empty: it is no such
// size, or too large.
constexpr std::optional<std::uint64_t> parse_memory_size(std::string_view text) {
  unsigned shift = 0;
  if (text.ends_with('K')) shift = 10;
  else if (text.ends_with('M')) shift = 20;
  else if (text.ends_with('G')) shift = 30;
  if (shift != 0) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || number > (std::numeric_limits<std::uint64_t>::max() - 9) / 10)
      return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return number << shift;
}

}  // namespace gallocy
