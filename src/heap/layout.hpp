// What lies at the beginning of a chunk (2 MiB, aligned to its size). Descriptors have pages of
// their own, so that using a block never moves the page of a descriptor between nodes:
//
//   page 0      cold: ChunkHeader. Written by the owner when spans come and go, read by any
//               client that wants to know whose block it has and how large it is.
//   page 1      hot: ChunkState, touched by the owner only.
//   pages 2-9   hot: PageState of each page, touched by the owner only.
//   pages 10-   blocks.
//
// A block of which no second one fits into a chunk has a chunk or a run of chunks for itself. Only
// the first has descriptors: page 0; the block begins at page 2, or further on if it has to be
// aligned. One that is aligned to a chunk begins where the second chunk does. So the chunk of a
// block is that of the byte before it.
#pragma once

#include "heap/size_class.hpp"

namespace gallocy::heap {

struct Owner {
  std::uint32_t rank = 0;
  std::uint32_t node = 0;
  friend constexpr bool operator==(Owner, Owner) = default;
};

enum class PageKind : std::uint8_t {
  free = 0,    // as zero-filled memory has it
  descriptor,
  small_span,  // blocks of one size class
  run,         // one block of whole pages
};

struct PageInfo {
  PageKind kind;
  std::uint8_t size_class;   // of a small span
  std::uint16_t span_start;  // first page of the span or run
  std::uint16_t span_pages;
};

enum class ChunkKind : std::uint32_t { pages = 1, large_block };

struct ChunkHeader {
  std::uint64_t mark;  // mark_of(its address) while the chunk is in use, else 0
  Owner owner;
  ChunkKind kind;
  std::uint32_t chunk_count;  // 1, or the length of a large block's run
  std::uint32_t block_page;   // of a large block: where it begins
  std::uint32_t idle_pages;   // of a large block's last chunk: behind it, and not claimed
  std::uint32_t heap_number;
  PageInfo pages[pages_per_chunk];
};
static_assert(sizeof(ChunkHeader) <= page_bytes);

// The address is in the mark, so that a copy of a header in a user's data is not taken for one.
inline std::uint64_t mark_of(const ChunkHeader* chunk) {
  return 0x706165682d796c67 ^ reinterpret_cast<std::uint64_t>(chunk);
}

class PageSet {  // of the pages of one chunk
 public:
  bool contains(unsigned page) const { return (words_[page / 64] >> page % 64 & 1) != 0; }
  void insert(unsigned first, unsigned count) {
    for (unsigned p = first; p < first + count; ++p) words_[p / 64] |= std::uint64_t{1} << p % 64;
  }
  void erase(unsigned first, unsigned count) {
    for (unsigned p = first; p < first + count; ++p)
      words_[p / 64] &= ~(std::uint64_t{1} << p % 64);
  }
  void clear() { *this = {}; }

  // The first page, a multiple of `alignment`, of `count` that are not in the set;
  // pages_per_chunk if there are none. REQUIRES: the alignment is a power of two.
  unsigned find_gap(unsigned count, unsigned alignment) const {
    unsigned begin = next(0, false);
    while (begin + count <= pages_per_chunk) {
      const unsigned end = next(begin, true);
      const unsigned aligned = (begin + alignment - 1) & ~(alignment - 1);
      if (aligned + count <= end) return aligned;
      begin = next(end, false);
    }
    return pages_per_chunk;
  }

  // Whether none of those pages is in the set; false also if not all of them are of the chunk.
  bool is_gap(unsigned first, unsigned count) const {
    return first + count <= pages_per_chunk && next(first, true) >= first + count;
  }

 private:
  // The first page at or after `page` that is in the set, or is not.
  unsigned next(unsigned page, bool in_set) const {
    while (page < pages_per_chunk) {
      const std::uint64_t word = in_set ? words_[page / 64] : ~words_[page / 64];
      const std::uint64_t rest = word >> page % 64;
      if (rest != 0) return page + static_cast<unsigned>(std::countr_zero(rest));
      page = (page / 64 + 1) * 64;
    }
    return pages_per_chunk;
  }

  std::uint64_t words_[pages_per_chunk / 64] = {};
};

struct ChunkState {
  PageSet used;
  PageSet dirty;  // pages that may hold something else than zeros
  std::uint32_t free_pages;
  std::uint32_t idle_pages;   // of spans without blocks
  std::uint32_t longest_gap;  // no gap is longer; it may be shorter
  ChunkHeader* next;          // in Heap's bin of bit_width(longest_gap)
  ChunkHeader* previous;
};
static_assert(sizeof(ChunkState) <= page_bytes);

// Of the first page of a small span; of other pages unused.
struct alignas(64) PageState {
  std::uint64_t taken[max_blocks_per_span / 64];  // bits past block_count are set
  PageState* next;  // in Heap's list of the class's spans with a free block
  PageState* previous;
  std::uint16_t taken_count;
  std::uint16_t block_count;
  std::uint16_t touched_count;  // blocks from this one on were never handed out
  std::uint8_t size_class;
  bool began_zeroed;  // when the span was made its pages held zeros
};
static_assert(sizeof(PageState) == 64);

inline constexpr unsigned page_states_page = 2;
inline constexpr unsigned first_block_page =
    page_states_page + pages_per_chunk * sizeof(PageState) / page_bytes;
inline constexpr unsigned max_run_pages = pages_per_chunk - first_block_page;  // in place
inline constexpr unsigned max_new_run_pages = max_run_pages / 2;
inline constexpr unsigned large_block_page = 2;
inline constexpr std::uint64_t spare_chunks_max = 16;  // 32 MiB
inline constexpr std::size_t max_alignment_bytes = chunk_bytes;

inline std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

inline ChunkHeader* chunk_of(const void* pointer) {
  return reinterpret_cast<ChunkHeader*>(address_of(pointer) & ~(chunk_bytes - 1));
}

inline ChunkHeader* chunk_of_block(const void* pointer) {
  return reinterpret_cast<ChunkHeader*>((address_of(pointer) - 1) & ~(chunk_bytes - 1));
}

inline std::byte* page_at(const ChunkHeader* chunk, unsigned page) {
  return reinterpret_cast<std::byte*>(address_of(chunk) + page * page_bytes);
}

inline ChunkState& state_of(const ChunkHeader* chunk) {
  return *reinterpret_cast<ChunkState*>(page_at(chunk, 1));
}

inline PageState& page_state(const ChunkHeader* chunk, unsigned page) {
  return reinterpret_cast<PageState*>(page_at(chunk, page_states_page))[page];
}

inline unsigned page_number_of(const void* pointer) {
  return static_cast<unsigned>(address_of(pointer) % chunk_bytes / page_bytes);
}

}  // namespace gallocy::heap
