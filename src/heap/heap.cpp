// Blocks: which way a size goes, small spans, runs of pages, and freeing.
#include "heap/heap.hpp"

#include <string.h>

#include <algorithm>

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

constexpr std::size_t large_limit_bytes = std::size_t{1} << 46;

unsigned pages_of(std::size_t size_bytes) {
  return static_cast<unsigned>((size_bytes + page_bytes - 1) / page_bytes);
}

std::uint64_t chunks_of(std::size_t size_bytes, unsigned block_page) {
  return (size_bytes + block_page * page_bytes + chunk_bytes - 1) / chunk_bytes;
}

// Behind a large block, in its last chunk.
std::uint32_t idle_pages_of(std::size_t size_bytes, unsigned block_page,
                            std::uint64_t chunk_count) {
  const std::uint64_t idle_bytes = chunk_count * chunk_bytes - block_page * page_bytes - size_bytes;
  return static_cast<std::uint32_t>(idle_bytes / page_bytes);
}

std::size_t large_bytes(const ChunkHeader* chunk) {
  return chunk->chunk_count * chunk_bytes - (chunk->block_page + chunk->idle_pages) * page_bytes;
}

}  // namespace

bool worth_keeping(std::size_t block_bytes, std::size_t size_bytes) {
  return size_bytes <= block_bytes &&
         (size_bytes > block_bytes / 2 || block_bytes <= 4 * block_alignment_bytes);
}

void* Heap::allocate(std::size_t size_bytes) { return allocate_block(size_bytes).address; }

void* Heap::allocate_zeroed(std::size_t count, std::size_t size_bytes) {
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(count, size_bytes, &all_bytes)) return nullptr;
  const Block block = allocate_block(all_bytes);
  if (block.address != nullptr && !block.zeroed) ::memset(block.address, 0, block.size_bytes);
  return block.address;
}

// Spans begin at pages, so the blocks of a class are as aligned as its size, up to a page.
Heap::Block Heap::allocate_block(std::size_t size_bytes, std::size_t alignment_bytes) {
  GALLOCY_CHECK(std::has_single_bit(alignment_bytes) && alignment_bytes <= max_alignment_bytes,
                GALLOCY_VALUE(alignment_bytes));
  if (alignment_bytes <= page_bytes && size_bytes <= max_small_bytes) {
    unsigned size_class = class_of(size_bytes);
    while (class_bytes(size_class) % std::max(alignment_bytes, block_alignment_bytes) != 0)
      ++size_class;  // ends at the largest, whose size is a multiple of a page
    return allocate_small(size_class);
  }
  const unsigned alignment_pages = std::max(1U, pages_of(alignment_bytes));
  const unsigned first = (first_block_page + alignment_pages - 1) & ~(alignment_pages - 1);
  const std::size_t whole_bytes = std::max(size_bytes, page_bytes);
  if (whole_bytes <= std::min<std::size_t>(max_new_run_pages, pages_per_chunk - first) * page_bytes)
    return allocate_run(pages_of(whole_bytes), alignment_pages);
  return allocate_large(whole_bytes, alignment_pages);
}

Heap::Block Heap::allocate_small(unsigned size_class) {
  PageState* span = spans_[size_class];
  if (span == nullptr) span = new_span(size_class);
  if (span == nullptr) return {};
  const unsigned block = lowest_free_block(*span);
  GALLOCY_CHECK(block < span->block_count, GALLOCY_VALUE(block), GALLOCY_VALUE(span->block_count));
  if (span->taken_count == 0)
    state_of(chunk_of_span(*span)).idle_pages -= span_pages_of(size_class);
  span->taken[block / 64] |= std::uint64_t{1} << block % 64;
  if (++span->taken_count == span->block_count) unlink_span(*span);
  const bool zeroed = span->began_zeroed && block >= span->touched_count;
  if (block >= span->touched_count) span->touched_count = static_cast<std::uint16_t>(block + 1);
  const std::size_t size_bytes = class_bytes(size_class);
  std::byte* first = page_at(chunk_of_span(*span), first_page_of(*span));
  return {first + block * size_bytes, size_bytes, zeroed};
}

Heap::Block Heap::allocate_run(unsigned page_count, unsigned alignment_pages) {
  const Pages pages = take_pages(page_count, alignment_pages);
  if (pages.chunk == nullptr) return {};
  note_span(pages.chunk, pages.first, page_count, PageKind::run, 0);
  const bool zeroed = dirty_pages(pages.chunk, pages.first, page_count);
  return {page_at(pages.chunk, pages.first), page_count * page_bytes, zeroed};
}

Heap::Block Heap::allocate_large(std::size_t size_bytes, unsigned alignment_pages) {
  if (size_bytes > large_limit_bytes) return {};
  const unsigned block_page = std::max(large_block_page, alignment_pages);
  const std::uint64_t chunk_count = chunks_of(size_bytes, block_page);
  const Taken taken =
      take_chunks(chunk_count, idle_pages_of(size_bytes, block_page, chunk_count));
  if (taken.chunk == nullptr) return {};
  ChunkHeader* chunk = taken.chunk;
  chunk->owner = owner_;
  chunk->kind = ChunkKind::large_block;
  chunk->chunk_count = static_cast<std::uint32_t>(chunk_count);
  chunk->block_page = block_page;
  chunk->idle_pages = taken.idle_pages;
  chunk->heap_number = number_;
  chunk->mark = mark_of(chunk);
  std::byte* block = page_at(chunk, block_page);
  return {block, large_bytes(chunk), taken.zeroed};
}

// ---- resizing ----------------------------------------------------------------------------

bool Heap::resize(void* block, std::size_t size_bytes) {
  ChunkHeader* chunk = chunk_of_block(block);
  if (chunk->kind == ChunkKind::large_block) return resize_large(chunk, size_bytes);
  const unsigned page = page_number_of(block);
  const PageInfo& info = chunk->pages[page];
  if (info.kind != PageKind::run) return worth_keeping(block_bytes(block), size_bytes);
  if (size_bytes <= max_small_bytes / 2 || size_bytes > max_run_pages * page_bytes) return false;
  return resize_run(chunk, page, pages_of(size_bytes));
}

bool Heap::resize_run(ChunkHeader* chunk, unsigned first, unsigned page_count) {
  const unsigned before = chunk->pages[first].span_pages;
  if (page_count > before) {
    const unsigned more = page_count - before;
    if (!state_of(chunk).used.is_gap(first + before, more)) return false;
    use_pages(chunk, first + before, more);
    dirty_pages(chunk, first + before, more);
  }
  note_span(chunk, first, page_count, PageKind::run, 0);
  if (page_count < before) give_pages(chunk, first + page_count, before - page_count);
  return true;
}

// The chunks that a block gives up go back at once: it may never be freed.
bool Heap::resize_large(ChunkHeader* chunk, std::size_t size_bytes) {
  if (size_bytes <= max_new_run_pages * page_bytes / 2 || size_bytes > large_limit_bytes)
    return false;
  const std::uint64_t before = chunk->chunk_count;
  const std::uint64_t chunk_count = chunks_of(size_bytes, chunk->block_page);
  if (size_bytes > large_bytes(chunk) && chunk->idle_pages > 0) {
    if (!claim_last_of(address_of(chunk), before)) return false;
    chunk->idle_pages = 0;
  }
  if (chunk_count > before &&
      !take_chunks_at(address_of(chunk) + before * chunk_bytes, chunk_count - before))
    return false;
  chunk->chunk_count = static_cast<std::uint32_t>(chunk_count);
  if (chunk_count < before) {
    give({address_of(chunk) + chunk_count * chunk_bytes, before - chunk_count});
    chunk->idle_pages = 0;
  }
  return true;
}

// ---- spans -------------------------------------------------------------------------------

PageState* Heap::new_span(unsigned size_class) {
  const unsigned page_count = span_pages_of(size_class);
  const Pages pages = take_pages(page_count, 1);
  if (pages.chunk == nullptr) return nullptr;
  PageState& span = page_state(pages.chunk, pages.first);
  span = {};
  span.block_count = static_cast<std::uint16_t>(blocks_of(size_class));
  span.size_class = static_cast<std::uint8_t>(size_class);
  span.began_zeroed = dirty_pages(pages.chunk, pages.first, page_count);
  for (unsigned block = span.block_count; block < max_blocks_per_span; ++block)
    span.taken[block / 64] |= std::uint64_t{1} << block % 64;
  note_span(pages.chunk, pages.first, page_count, PageKind::small_span, size_class);
  state_of(pages.chunk).idle_pages += page_count;
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

void Heap::free_run(ChunkHeader* chunk, unsigned first_page) {
  const bool idle_spans = state_of(chunk).idle_pages > 0;
  give_pages(chunk, first_page, chunk->pages[first_page].span_pages);
  if (idle_spans) release_if_idle(chunk);  // or the chunk may be gone
}

void Heap::release_idle_span(PageState& span) {
  ChunkHeader* chunk = chunk_of_span(span);
  const unsigned first = first_page_of(span), page_count = chunk->pages[first].span_pages;
  unlink_span(span);
  state_of(chunk).idle_pages -= page_count;
  give_pages(chunk, first, page_count);
}

// A chunk must not stay for the sake of spans that are only kept.
void Heap::release_if_idle(ChunkHeader* chunk) {
  const ChunkState& state = state_of(chunk);
  if (state.free_pages + state.idle_pages < max_run_pages) return;
  for (unsigned page = first_block_page; page < pages_per_chunk; ++page) {
    if (chunk->pages[page].kind != PageKind::small_span) continue;
    const bool last = chunk->pages[page].span_pages == state.idle_pages;
    release_idle_span(page_state(chunk, page));
    if (last) return;  // the chunk may be gone
  }
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
  if (span.taken_count > 0) return FreeOutcome::freed;
  ChunkState& state = state_of(chunk);
  state.idle_pages += info.span_pages;
  // The last span of a class with room is kept, or a program that allocates and frees one block
  // in turn would make and unmake a span each time.
  const bool only_one = span.next == nullptr && span.previous == nullptr;
  if (state.free_pages + state.idle_pages == max_run_pages) release_if_idle(chunk);
  else if (!only_one) release_idle_span(span);
  return FreeOutcome::freed;
}

FreeOutcome Heap::free_local(void* pointer) {
  ChunkHeader* chunk = chunk_of_block(pointer);
  if (!in_use(chunk)) return FreeOutcome::not_a_block;
  if (chunk->owner != owner_) return FreeOutcome::foreign;
  const unsigned page = page_number_of(pointer);
  if (chunk->kind == ChunkKind::large_block) {
    if (pointer != page_at(chunk, chunk->block_page)) return FreeOutcome::not_a_block;
    chunk->mark = 0;
    keep_or_give({address_of(chunk), chunk->chunk_count, chunk->idle_pages});
    return FreeOutcome::freed;
  }
  const PageInfo info = chunk->pages[page];
  switch (info.kind) {
    case PageKind::small_span: return free_small(chunk, info, address_of(pointer));
    case PageKind::run:
      if (pointer != page_at(chunk, info.span_start)) return FreeOutcome::not_a_block;
      free_run(chunk, page);
      return FreeOutcome::freed;
    case PageKind::free: return FreeOutcome::freed_already;
    case PageKind::descriptor: break;
  }
  return FreeOutcome::not_a_block;
}

// Only when memory has run out. A class has one idle span at most.
void Heap::release_all_idle_spans() {
  for (PageState* span : spans_) {
    while (span != nullptr && span->taken_count > 0) span = span->next;
    if (span != nullptr) release_idle_span(*span);
  }
}

bool owner_of(const void* pointer, Owner& owner) {
  const ChunkHeader* chunk = chunk_of_block(pointer);
  if (!in_use(chunk)) return false;
  owner = chunk->owner;
  return true;
}

std::uint32_t heap_number(const void* pointer) { return chunk_of_block(pointer)->heap_number; }

std::size_t block_bytes(const void* pointer) {
  const ChunkHeader* chunk = chunk_of_block(pointer);
  if (!in_use(chunk)) return 0;
  if (chunk->kind == ChunkKind::large_block)
    return pointer == page_at(chunk, chunk->block_page) ? large_bytes(chunk) : 0;
  const PageInfo& info = chunk->pages[page_number_of(pointer)];
  const std::byte* start = page_at(chunk, info.span_start);
  if (info.kind == PageKind::run) return pointer == start ? info.span_pages * page_bytes : 0;
  if (info.kind != PageKind::small_span) return 0;
  if (info.size_class >= class_count) return 0;  // written by somebody else
  const std::size_t size_bytes = class_bytes(info.size_class);
  const std::uint64_t offset = address_of(pointer) - address_of(start);
  return offset % size_bytes == 0 && offset / size_bytes < blocks_of(info.size_class) ? size_bytes
                                                                                       : 0;
}

}  // namespace gallocy::heap
