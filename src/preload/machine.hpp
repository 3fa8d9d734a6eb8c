// What a program may have looked at when it was started, and relies on from then on: it has to be
// the same on every node.
#pragma once

#include <cstdint>

#include "base/text.hpp"

namespace gallocy::preload {

inline constexpr unsigned cpu_leaf_count = 9;  // that glibc tells of
inline constexpr unsigned limit_count = 3;

struct Machine {
  // As the C library uses them: by these it has chosen functions, whose addresses lie in data that
  // the nodes share, and libraries.
  std::uint32_t cpu_features[cpu_leaf_count][4];
  std::uint64_t page_bytes;
  std::uint64_t limits[limit_count];  // soft ones; all ones: none
};

// Allocates nothing.
Machine this_machine();

// 2 for x86-64-v2, and so on, by the rules of the ABI.
unsigned cpu_level(const Machine& machine);

// What of `own` is not as in rank 0, and what to do. Empty: nothing.
Sentence difference(const Machine& first, const Machine& own);

}  // namespace gallocy::preload
