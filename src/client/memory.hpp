#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "heap/heap.hpp"

namespace gallocy::client {

// Chunks of the region, asked of the daemon: of the node, or of any (the rank's own heap).
heap::ChunkSource daemon_chunks(std::uint32_t heap_number);

// A rank has a heap for what it wants near itself, one for each node that it names, one for what is
// mostly never touched, and one for the runtime's own data.
inline constexpr std::uint32_t own_heap = 0;
constexpr std::uint32_t heap_for(std::uint32_t node) { return node + 1; }
inline constexpr std::uint32_t sparse_heap = max_node_count + 1;
inline constexpr std::uint32_t runtime_heap = max_node_count + 2;
inline constexpr std::uint32_t heap_count = max_node_count + 3;

// A block of whole pages, zeroed, as gallocy_malloc makes them; nullptr: no room.
void* zeroed_pages(std::size_t size_bytes);

// As before, at a chunk's beginning. Of such blocks only what is touched counts.
void* sparse_pages(std::size_t size_bytes);

// A small zeroed block for the runtime; nullptr: no room. Once the heap is prepared, which fails as
// gallocy_malloc does, it has a chunk that the program's blocks can't use up.
Status prepare_runtime_heap();
void* runtime_block(std::size_t size_bytes);

// Takes back what other ranks have freed of this rank's. Thread safe.
void take_back_freed();

// That, until there is no more, and gives what the heaps only keep for their next blocks. Returns
// when the chunks have been returned, and the daemon knows it. Thread safe.
void give_all_unused();

// The chunks that the heaps have given up while they were locked. Not kept in those chunks: to
// write to a page that was never touched takes memory, of which there may be none.
struct SpentChunks {
  static constexpr std::size_t max = 32;
  struct Run {
    std::uint64_t address;
    std::uint64_t chunk_count;
  };
  std::size_t count = 0;
  Run runs[max];
};

}  // namespace gallocy::client
