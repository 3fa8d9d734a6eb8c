// The allocator of one client over chunks of the region. Pure: it makes no system call and
// holds no memory besides itself and the chunks.
//
// Thread safety: none; the caller holds a lock around every member function. The free functions
// owner_of and block_bytes read only cold pages of blocks that the caller may use, so any
// client may call them at any time for a block that nobody is freeing.
//
// Invariants: a block is 16-byte aligned and lies in one span, run or large block; no page
// holds both a descriptor and a block. Chunks without blocks go back to the source, but for one
// chunk of pages and one run of what was a large block: a program that allocates and frees one
// block in turn takes and gives nothing.
#pragma once

#include "heap/layout.hpp"

namespace gallocy::heap {

// Where chunks come from, and go to.
struct ChunkSource {
  // The address of chunk_count chunks in a row, aligned to chunk_bytes and filled with zeros, or 0
  // if there are none. `wanted` is 0, or the only address that will do. The last idle_pages of them
  // are not used before the last chunk is claimed: so nobody has to have memory for them.
  std::uint64_t (*take)(void* context, std::uint64_t chunk_count, std::uint64_t wanted,
                        std::uint64_t idle_pages) = nullptr;
  // Chunks, or some of them, that were taken. They may hold anything.
  void (*give)(void* context, std::uint64_t address, std::uint64_t chunk_count) = nullptr;
  // Whether all pages of the chunk, which was taken, may be used from now on.
  bool (*claim)(void* context, std::uint64_t address) = nullptr;
  void* context = nullptr;
  // How many chunks of a large block that was freed may be kept for the next: others can't have
  // them meanwhile.
  std::uint64_t spare_chunk_count = spare_chunks_max;
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
  // `number`: which of the owner's heaps it is; heap_number() of its blocks.
  constexpr Heap(Owner owner, ChunkSource source, std::uint32_t number = 0)
      : owner_(owner), number_(number), source_(source) {}

  bool has_source() const { return source_.take != nullptr; }

  struct Block {
    std::byte* address = nullptr;  // null when the source has no more
    std::size_t size_bytes = 0;
    bool zeroed = false;  // known to hold zeros
  };
  // For a caller that wants to clear the block after it has given up its lock.
  // REQUIRES: the alignment is a power of two and at most max_alignment_bytes.
  Block allocate_block(std::size_t size_bytes,
                       std::size_t alignment_bytes = block_alignment_bytes);

  // Null when the source has no more. 0 bytes get a block of their own.
  void* allocate(std::size_t size_bytes);

  // Zero-filled; null also when count * size_bytes overflows. Pages that were never used are
  // not written to.
  void* allocate_zeroed(std::size_t count, std::size_t size_bytes);

  // Makes the block hold that many bytes where it is, or leaves it alone. It refuses what fits but
  // would leave more than half of the block unused.
  // REQUIRES: a block of this heap.
  bool resize(void* block, std::size_t size_bytes);

  // REQUIRES for this and what follows: the byte before the pointer lies in memory that chunks
  // come from.
  FreeOutcome free_local(void* pointer);

  // Gives back all that is kept for blocks to come.
  void give_spare();

 private:
  struct Pages {
    ChunkHeader* chunk = nullptr;
    unsigned first = 0;
  };
  static constexpr unsigned bin_count = 10;  // bit_width(1 .. 512) - 1

  Block allocate_small(unsigned size_class);
  Block allocate_run(unsigned page_count, unsigned alignment_pages);
  Block allocate_large(std::size_t size_bytes, unsigned alignment_pages);
  bool resize_run(ChunkHeader* chunk, unsigned first, unsigned page_count);
  bool resize_large(ChunkHeader* chunk, std::size_t size_bytes);

  PageState* new_span(unsigned size_class);
  void free_run(ChunkHeader* chunk, unsigned first_page);
  void release_idle_span(PageState& span);
  void release_if_idle(ChunkHeader* chunk);
  void link_span(PageState& span);
  void unlink_span(PageState& span);
  FreeOutcome free_small(ChunkHeader* chunk, const PageInfo& info, std::uint64_t address);

  Pages take_pages(unsigned page_count, unsigned alignment_pages);
  Pages take_pages_of(ChunkHeader* chunk, unsigned page_count, unsigned alignment_pages);
  void use_pages(ChunkHeader* chunk, unsigned first, unsigned page_count);
  void give_pages(ChunkHeader* chunk, unsigned first, unsigned page_count);
  bool add_chunk();
  void link_chunk(ChunkHeader* chunk);
  void unlink_chunk(ChunkHeader* chunk);
  void set_longest_gap(ChunkHeader* chunk, std::uint32_t page_count);

  struct Run {  // of chunks
    std::uint64_t address = 0;  // 0: there is none
    std::uint64_t chunk_count = 0;
    std::uint32_t idle_pages = 0;  // at its end, not claimed
  };
  struct Taken {
    ChunkHeader* chunk = nullptr;
    std::uint32_t idle_pages = 0;  // as many as was said, or fewer
    bool zeroed = false;
  };
  Taken take_chunks(std::uint64_t chunk_count, std::uint32_t idle_pages);
  bool take_chunks_at(std::uint64_t address, std::uint64_t chunk_count);
  bool may_take_kept(std::uint64_t chunk_count, std::uint32_t idle_pages);
  Run take_kept(std::uint64_t chunk_count);
  bool claim_last_of(std::uint64_t address, std::uint64_t chunk_count);
  void give(Run run);
  void keep_or_give(Run run);
  void release_all_idle_spans();
  void release_empty_chunk();

  Owner owner_;
  std::uint32_t number_ = 0;
  ChunkSource source_;
  PageState* spans_[class_count] = {};  // with a free block
  ChunkHeader* bins_[bin_count] = {};   // chunks with a free page
  Run kept_;  // last freed; may hold anything
  unsigned empty_chunk_count_ = 0;  // chunks in bins_ without any span
};

// Whose block it is. False if the pointer is in no chunk that is in use. What lies in a chunk that
// the caller does not own is the word of others: any number may come out.
bool owner_of(const void* pointer, Owner& owner);
std::uint32_t heap_number(const void* pointer);

// Whether a block of that size is to be kept for so many bytes.
bool worth_keeping(std::size_t block_bytes, std::size_t size_bytes);

// How many bytes the block that begins at the pointer has; 0 if none does.
std::size_t block_bytes(const void* pointer);

}  // namespace gallocy::heap
