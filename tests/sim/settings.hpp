// What one run is made of. Everything not given is drawn from the seed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/ids.hpp"

namespace gallocy::sim {

enum class Pattern : std::uint8_t {
  random,         // reads and writes of 1, 2 or 4 pages of many
  hot_page,       // everybody on one page
  false_sharing,  // each thread writes a cell of its own, all on one page
  migratory,      // read, then write, under a lock
  two_pages,      // every access needs the same two pages, in either order
  four_pages,     // and four
  recycled,       // chunks are taken, used by many, given back and taken again
  mixed,          // all of it, with chunks, freed blocks, threads and wild accesses
};
inline constexpr unsigned pattern_count = 8;

struct Settings {
  std::uint64_t seed = 0;
  unsigned node_count = 0;  // 0: 2 to 4, by the seed
  std::uint64_t operation_count = 2'000;
};

// A run has gone wrong; the text says how.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using TimeUs = std::uint64_t;
inline constexpr TimeUs operation_limit_us = 2'000'000;

}  // namespace gallocy::sim
