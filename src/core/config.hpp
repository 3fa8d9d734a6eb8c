// What a node has to know of its job before the first step. Equal on all nodes but for `self`; a
// removal changes `nodes` and `epoch`, on each node when it hears of it.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "base/placement_policy.hpp"

namespace gallocy::core {

struct Config {
  NodeId self{};
  NodeSet nodes;  // the members; the lowest is the chunk coordinator
  Epoch epoch{1};
  PlacementPolicy placement = PlacementPolicy::spread;
  bool outlives_clients = true;  // else the job ends with the first client that goes
  std::array<std::uint16_t, max_node_count> cpus{};  // of each node; for PlacementPolicy::pack
  std::uint64_t region_address = region_base;
  std::uint32_t slot_count = 1024;         // in-flight pages, at most 65,535
  std::uint64_t memory_pages = std::uint64_t{1} << 40;  // frames this node may use, slots included
  std::uint64_t cache_min_pages = 256;  // of those, never reserved for pages homed here
  std::uint64_t chunk_frames = pages_per_chunk;  // that must be free for a chunk to be handed out
  std::uint32_t chunk_batch = 16;          // chunks asked from the coordinator at a time
  std::uint32_t max_outstanding = 256;     // demand requests per home
  std::uint32_t max_prefetched = 1024;     // pages asked for ahead and not here yet, per home
  std::uint64_t hold_min_us = 100;         // a granted page stays at least that long
  std::uint64_t hold_max_us = 10'000;      // with growth for threads that lose several pages
  std::uint64_t hold_single_max_us = 1'000;  // with growth for a thread that loses one page
  std::uint64_t keep_max_us = 200'000;     // an older access delays a recall at most that long: ten
                                           // pages, one after the other, each through two holds
};

}  // namespace gallocy::core
