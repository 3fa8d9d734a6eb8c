// Libraries that constructors of libraries load before main(). Only rank 0 runs constructors: the
// others load at the start what it has loaded, at the same addresses, and construct none of it.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gallocy::preload {

inline constexpr std::size_t early_library_count_max = 64;

struct EarlyLibrary {
  const char* path;
  int flags;
  std::uint64_t top;
};

// Rank 0, for a constructor: as dlopen. More than there is room for: ends the process with a
// sentence.
void* load_early(const char* path, int flags, const void* caller);
std::span<const EarlyLibrary> early_libraries();

// The others. Ends the process with a sentence, if one of them can't be loaded.
void take_early_libraries(std::span<const EarlyLibrary> libraries);

}  // namespace gallocy::preload
