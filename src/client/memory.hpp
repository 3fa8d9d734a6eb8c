#pragma once

#include "heap/heap.hpp"

namespace gallocy::client {

// Chunks of the region, asked of the daemon.
heap::ChunkSource daemon_chunks();

}  // namespace gallocy::client
