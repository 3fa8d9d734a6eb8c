// What one run is made of. Everything not given is drawn from the seed.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/ids.hpp"
#include "faults.hpp"

namespace gallocy::sim {

class Pairs;

enum class Pattern : std::uint8_t {
  random,             // reads and writes of 1, 2 or 4 pages of many
  hot_page,           // everybody on one page
  false_sharing,      // each thread writes a cell of its own, all on one page
  migratory,          // read, then write, under a lock
  producer_consumer,  // a few pages, each written on one node and read on the others
  two_pages,          // every access needs the same two pages, in either order
  four_pages,         // and four
  recycled,           // chunks are taken, used by many, given back and taken again
  chunks,             // the same, with allocation and blocks that others free
  threads,            // threads start threads and join them
  mixed,              // all of it
  sync,               // no memory: locks, conditions, barriers, ends (sync_world.hpp)
};
inline constexpr const char* pattern_names[] = {
    "random",    "hot_page", "false_sharing", "migratory", "producer_consumer", "two_pages",
    "four_pages", "recycled", "chunks",        "threads",   "mixed",             "sync"};
inline constexpr unsigned pattern_count = 12;

struct Settings {
  std::uint64_t seed = 0;
  std::uint64_t job = 0;  // of `sync`: several follow each other under one seed
  unsigned node_count = 4;
  std::uint64_t operation_count = 5'000;  // at least
  std::optional<Pattern> workload;  // none: by the seed
  FaultSet faults = all_faults;
  std::optional<LateAnswers> late;  // none: by the seed
  Pairs* pairs = nullptr;  // of all runs
};

// A run has gone wrong; the text says how.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline constexpr TimeUs operation_limit_us = 2'000'000;
// When the last operation has begun, faults stop; soon everything has ended.
inline constexpr TimeUs calm_limit_us = 1'500'000;

}  // namespace gallocy::sim
