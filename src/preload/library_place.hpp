// Where libraries are put that are loaded after the program's own, from above. Nothing else is, but
// by chance what another thread maps meanwhile: so each begins at a place of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "preload/put_off.hpp"

namespace gallocy::preload {

inline constexpr std::uint64_t library_area_begin = 0x7000'0000'0000;
inline constexpr std::uint64_t library_area_end = 0x7100'0000'0000;
inline constexpr std::uint64_t library_place_bytes = 64 << 20;

// For the next Ceiling. Rank 0 decides.
inline constinit std::uint64_t g_library_top = library_area_end;

inline void note_place_of(std::span<const PutOff> loaded) {
  std::uint64_t lowest = g_library_top;
  for (const PutOff& of : loaded) lowest = std::min<std::uint64_t>(lowest, of.object->l_addr);
  g_library_top = std::max(library_area_begin, (lowest - 1) / library_place_bytes *
                                                   library_place_bytes);
}

}  // namespace gallocy::preload
