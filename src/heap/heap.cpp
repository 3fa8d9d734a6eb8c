// Blocks: which way a size goes, small spans, runs of pages, and freeing.
#include "heap/heap.hpp"

#include <string.h>

#include "base/check.hpp"

namespace gallocy::heap {

namespace {

bool in_use(const ChunkHeader* chunk) { return chunk->mark == mark_of(chunk); }

ChunkHeader* chunk_of_span(const PageState& span) { return chunk_of(&span); }

unsigned first_page_of(const PageState& span) {
  return static_cast<unsigned>(&span - &page_state(chunk_of_span(span), 0));
}

unsigned lowest_free_block(const PageState& span) {
  unsigned word = 0;
  while (~span.taken[word] == 0) ++word;
  return word * 64 + static_cast<unsigned>(std::countr_one(span.taken[word]));
}

void note_span(ChunkHeader* chunk, unsigned first, unsigned page_count, PageKind kind,
               unsigned size_class) {
  const PageInfo info{kind, static_cast<std::uint8_t>(size_class),
                      static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(page_count)};
  for (unsigned page = first; page < first + page_count; ++page) chunk->pages[page] = info;
}

// From now on the pages may hold anything. Returns whether they hold zeros still.
bool dirty_pages(ChunkHeader* chunk, unsigned first, unsigned page_count) {
  PageSet& dirty = state_of(chunk).dirty;
  bool zeroed = true;
  for (unsigned page = first; page < first + page_count; ++page)
    zeroed = zeroed && !dirty.contains(page);
  dirty.insert(first, page_count);
  return zeroed;
}

}  // namespace

void* Heap::allocate(std::size_t size_bytes) { return allocate_block(size_bytes).address; }

void* Heap::allocate_zeroed(std::size_t count, std::size_t size_bytes) {
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(count, size_bytes, &all_bytes)) return nullptr;
  const Block block = allocate_block(all_bytes);
  if (block.address != nullptr && !block.zeroed) ::memset(block.address, 0, block.size_bytes);
  return block.address;
}

Heap::Block Heap::allocate_block(std::size_t size_bytes) {
  if (size_bytes <= max_small_bytes) return allocate_small(class_of(size_bytes));
  if (size_bytes <= max_run_pages * page_bytes)
    return allocate_run(static_cast<unsigned>((size_bytes + page_bytes - 1) / page_bytes));
  return allocate_large(size_bytes);
}

Heap::Block Heap::allocate_small(unsigned size_class) {
  PageState* span = spans_[size_class];
  if (span == nullptr) span = new_span(size_class);
  if (span == nullptr) return {};
  const unsigned block = lowest_free_block(*span);
  GALLOCY_CHECK(block < span->block_count, GALLOCY_VALUE(block), GALLOCY_VALUE(span->block_count));
  span->taken[block / 64] |= std::uint64_t{1} << block % 64;
  if (++span->taken_count == span->block_count) unlink_span(*span);
  const bool zeroed = span->began_zeroed && block >= span->touched_count;
  if (block >= span->touched_count) span->touched_count = static_cast<std::uint16_t>(block + 1);
  const std::size_t size_bytes = class_bytes(size_class);
  std::byte* first = page_at(chunk_of_span(*span), first_page_of(*span));
  return {first + block * size_bytes, size_bytes, zeroed};
}

Heap::Block Heap::allocate_run(unsigned page_count) {
  const Pages pages = take_pages(page_count);
  if (pages.chunk == nullptr) return {};
  note_span(pages.chunk, pages.first, page_count, PageKind::run, 0);
  const bool zeroed = dirty_pages(pages.chunk, pages.first, page_count);
  return {page_at(pages.chunk, pages.first), page_count * page_bytes, zeroed};
}

Heap::Block Heap::allocate_large(std::size_t size_bytes) {
  constexpr std::size_t limit_bytes = std::size_t{1} << 46;
  if (size_bytes > limit_bytes) return {};
  constexpr std::size_t descriptor_bytes = large_block_page * page_bytes;
  const std::uint64_t chunk_count = (size_bytes + descriptor_bytes + chunk_bytes - 1) / chunk_bytes;
  bool zeroed = false;
  ChunkHeader* chunk = take_chunks(chunk_count, zeroed);
  if (chunk == nullptr) return {};
  chunk->owner = owner_;
  chunk->kind = ChunkKind::large_block;
  chunk->chunk_count = static_cast<std::uint32_t>(chunk_count);
  chunk->mark = mark_of(chunk);
  return {page_at(chunk, large_block_page), chunk_count * chunk_bytes - descriptor_bytes, zeroed};
}

PageState* Heap::new_span(unsigned size_class) {
  const unsigned page_count = span_pages_of(size_class);
  const Pages pages = take_pages(page_count);
  if (pages.chunk == nullptr) return nullptr;
  PageState& span = page_state(pages.chunk, pages.first);
  span = {};
  span.block_count = static_cast<std::uint16_t>(blocks_of(size_class));
  span.size_class = static_cast<std::uint8_t>(size_class);
  span.began_zeroed = dirty_pages(pages.chunk, pages.first, page_count);
  for (unsigned block = span.block_count; block < max_blocks_per_span; ++block)
    span.taken[block / 64] |= std::uint64_t{1} << block % 64;
  note_span(pages.chunk, pages.first, page_count, PageKind::small_span, size_class);
  link_span(span);
  return &span;
}

void Heap::link_span(PageState& span) {
  PageState*& head = spans_[span.size_class];
  span.previous = nullptr;
  span.next = head;
  if (head != nullptr) head->previous = &span;
  head = &span;
}

void Heap::unlink_span(PageState& span) {
  (span.previous != nullptr ? span.previous->next : spans_[span.size_class]) = span.next;
  if (span.next != nullptr) span.next->previous = span.previous;
  span.next = span.previous = nullptr;
}

void Heap::release_span(ChunkHeader* chunk, unsigned first_page) {
  const unsigned page_count = chunk->pages[first_page].span_pages;
  give_pages(chunk, first_page, page_count);
}

FreeOutcome Heap::free_small(ChunkHeader* chunk, const PageInfo& info, std::uint64_t address) {
  PageState& span = page_state(chunk, info.span_start);
  const std::uint64_t offset = address - address_of(page_at(chunk, info.span_start));
  const std::size_t size_bytes = class_bytes(info.size_class);
  const unsigned block = static_cast<unsigned>(offset / size_bytes);
  if (offset % size_bytes != 0 || block >= span.block_count) return FreeOutcome::not_a_block;
  const std::uint64_t bit = std::uint64_t{1} << block % 64;
  if ((span.taken[block / 64] & bit) == 0) return FreeOutcome::freed_already;
  span.taken[block / 64] &= ~bit;
  if (span.taken_count-- == span.block_count) link_span(span);
  // The last span of a class with room is kept, or a program that allocates and frees one block
  // in turn would make and unmake a span each time.
  const bool only_one = span.next == nullptr && span.previous == nullptr;
  if (span.taken_count == 0 && !only_one) {
    unlink_span(span);
    release_span(chunk, info.span_start);
  }
  return FreeOutcome::freed;
}

FreeOutcome Heap::free_local(void* pointer) {
  ChunkHeader* chunk = chunk_of(pointer);
  if (!in_use(chunk)) return FreeOutcome::not_a_block;
  if (chunk->owner != owner_) return FreeOutcome::foreign;
  const unsigned page = page_number_of(pointer);
  if (chunk->kind == ChunkKind::large_block) {
    if (pointer != page_at(chunk, large_block_page)) return FreeOutcome::not_a_block;
    give_chunks(chunk, chunk->chunk_count);
    return FreeOutcome::freed;
  }
  const PageInfo info = chunk->pages[page];
  switch (info.kind) {
    case PageKind::small_span: return free_small(chunk, info, address_of(pointer));
    case PageKind::run:
      if (pointer != page_at(chunk, info.span_start)) return FreeOutcome::not_a_block;
      release_span(chunk, page);
      return FreeOutcome::freed;
    case PageKind::free: return FreeOutcome::freed_already;
    case PageKind::descriptor: break;
  }
  return FreeOutcome::not_a_block;
}

// Only when memory has run out: what was kept for speed goes back to its chunk.
void Heap::release_empty_spans() {
  for (PageState*& head : spans_)
    for (PageState* span = head; span != nullptr;) {
      PageState* next = span->next;
      if (span->taken_count == 0) {
        unlink_span(*span);
        release_span(chunk_of_span(*span), first_page_of(*span));
      }
      span = next;
    }
}

bool owner_of(const void* pointer, Owner& owner) {
  const ChunkHeader* chunk = chunk_of(pointer);
  if (!in_use(chunk)) return false;
  owner = chunk->owner;
  return true;
}

std::size_t block_bytes(const void* pointer) {
  const ChunkHeader* chunk = chunk_of(pointer);
  if (!in_use(chunk)) return 0;
  if (chunk->kind == ChunkKind::large_block)
    return pointer == page_at(chunk, large_block_page)
               ? chunk->chunk_count * chunk_bytes - large_block_page * page_bytes
               : 0;
  const PageInfo& info = chunk->pages[page_number_of(pointer)];
  const std::byte* start = page_at(chunk, info.span_start);
  if (info.kind == PageKind::run) return pointer == start ? info.span_pages * page_bytes : 0;
  if (info.kind != PageKind::small_span) return 0;
  const std::size_t size_bytes = class_bytes(info.size_class);
  const std::uint64_t offset = address_of(pointer) - address_of(start);
  return offset % size_bytes == 0 && offset / size_bytes < blocks_of(info.size_class) ? size_bytes
                                                                                       : 0;
}

}  // namespace gallocy::heap
