// The allocator of one client over chunks of the region. Pure: it makes no system call and
// holds no memory besides itself and the chunks.
//
// Thread safety: none; the caller holds a lock around every member function. The free functions
// owner_of and block_bytes read only cold pages of blocks that the caller may use, so any
// client may call them at any time for a block that nobody is freeing.
//
// Invariants: a block is 16-byte aligned and lies in one span, run or large block; no page
// holds both a descriptor and a block; a chunk taken from the source is never given back.
#pragma once

#include "heap/layout.hpp"

namespace gallocy::heap {

// Where chunks come from: the address of chunk_count new chunks in a row, aligned to
// chunk_bytes and filled with zeros, or 0 if there are none.
struct ChunkSource {
  std::uint64_t (*take)(void* context, std::uint64_t chunk_count) = nullptr;
  void* context = nullptr;
};

enum class FreeOutcome {
  freed,
  foreign,        // another client's block: it must do it
  freed_already,  // a block once, but not now
  not_a_block,    // nothing that allocate could have returned
};

class Heap {
 public:
  constexpr Heap() = default;
  constexpr Heap(Owner owner, ChunkSource source) : owner_(owner), source_(source) {}

  struct Block {
    std::byte* address = nullptr;  // null when the source has no more
    std::size_t size_bytes = 0;
    bool zeroed = false;  // known to hold zeros
  };
  // For a caller that wants to clear the block after it has given up its lock.
  Block allocate_block(std::size_t size_bytes);

  // Null when the source has no more. 0 bytes get a block of their own.
  void* allocate(std::size_t size_bytes);

  // Zero-filled; null also when count * size_bytes overflows. Pages that were never used are
  // not written to.
  void* allocate_zeroed(std::size_t count, std::size_t size_bytes);

  // REQUIRES: the pointer lies in memory that chunks come from.
  FreeOutcome free_local(void* pointer);

 private:
  struct Pages {
    ChunkHeader* chunk = nullptr;
    unsigned first = 0;
  };
  static constexpr unsigned bin_count = 10;  // bit_width(1 .. 512) - 1

  Block allocate_small(unsigned size_class);
  Block allocate_run(unsigned page_count);
  Block allocate_large(std::size_t size_bytes);

  PageState* new_span(unsigned size_class);
  void release_span(ChunkHeader* chunk, unsigned first_page);
  void link_span(PageState& span);
  void unlink_span(PageState& span);
  FreeOutcome free_small(ChunkHeader* chunk, const PageInfo& info, std::uint64_t address);

  Pages take_pages(unsigned page_count);
  Pages take_pages_of(ChunkHeader* chunk, unsigned page_count);
  void give_pages(ChunkHeader* chunk, unsigned first, unsigned page_count);
  bool add_chunk();
  void link_chunk(ChunkHeader* chunk);
  void unlink_chunk(ChunkHeader* chunk);
  void set_longest_gap(ChunkHeader* chunk, std::uint32_t page_count);

  ChunkHeader* take_chunks(std::uint64_t chunk_count, bool& zeroed);
  ChunkHeader* take_free_run(std::uint64_t chunk_count);
  void give_chunks(ChunkHeader* first, std::uint64_t chunk_count);
  void release_empty_spans();
  void release_empty_chunk();

  Owner owner_;
  ChunkSource source_;
  PageState* spans_[class_count] = {};  // with a free block
  ChunkHeader* bins_[bin_count] = {};   // chunks with a free page
  FreeRun* free_runs_ = nullptr;
  unsigned empty_chunk_count_ = 0;  // chunks in bins_ without any span
};

// Whose block it is. False if the pointer is in no chunk that is in use.
// REQUIRES for both: the pointer lies in memory that chunks come from.
bool owner_of(const void* pointer, Owner& owner);

// How many bytes the block that begins at the pointer has; 0 if none does.
std::size_t block_bytes(const void* pointer);

}  // namespace gallocy::heap
