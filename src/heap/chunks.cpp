// Pages of chunks, and runs of chunks.
#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "heap/heap.hpp"

namespace gallocy::heap {

namespace {

unsigned bin_of(std::uint32_t page_count) {
  return static_cast<unsigned>(std::bit_width(page_count)) - 1;
}

}  // namespace

// Bins below the request's can't hold it; one in the request's own bin may or may not, and one
// that turns out not to is noted as such, so no chunk is searched twice in vain.
Heap::Pages Heap::take_pages(unsigned page_count, unsigned alignment_pages) {
  for (unsigned bin = bin_of(page_count); bin < bin_count; ++bin)
    for (ChunkHeader* chunk = bins_[bin]; chunk != nullptr;) {
      ChunkHeader* next = state_of(chunk).next;
      const Pages pages = take_pages_of(chunk, page_count, alignment_pages);
      if (pages.chunk != nullptr) return pages;
      chunk = next;
    }
  if (!add_chunk()) return {};
  return take_pages(page_count, alignment_pages);  // succeeds: an empty chunk has room for it
}

Heap::Pages Heap::take_pages_of(ChunkHeader* chunk, unsigned page_count,
                                unsigned alignment_pages) {
  ChunkState& state = state_of(chunk);
  if (state.longest_gap < page_count) return {};
  const unsigned first = state.used.find_gap(page_count, alignment_pages);
  if (first == pages_per_chunk) {
    if (alignment_pages == 1) set_longest_gap(chunk, page_count - 1);
    return {};
  }
  use_pages(chunk, first, page_count);
  return {chunk, first};
}

void Heap::use_pages(ChunkHeader* chunk, unsigned first, unsigned page_count) {
  ChunkState& state = state_of(chunk);
  if (state.free_pages == max_run_pages) --empty_chunk_count_;
  state.used.insert(first, page_count);
  state.free_pages -= page_count;
  if (state.longest_gap > state.free_pages) set_longest_gap(chunk, state.free_pages);
}

void Heap::give_pages(ChunkHeader* chunk, unsigned first, unsigned page_count) {
  ChunkState& state = state_of(chunk);
  for (unsigned page = first; page < first + page_count; ++page) chunk->pages[page] = {};
  state.used.erase(first, page_count);
  state.free_pages += page_count;
  set_longest_gap(chunk, state.free_pages);
  if (state.free_pages < max_run_pages) return;
  // One empty chunk is kept, for a program that goes to and fro over the border.
  if (empty_chunk_count_ == 0) {
    ++empty_chunk_count_;
    return;
  }
  unlink_chunk(chunk);
  chunk->mark = 0;
  give({address_of(chunk), 1});
}

bool Heap::add_chunk() {
  const Taken taken = take_chunks(1, 0);
  if (taken.chunk == nullptr) return false;
  ChunkHeader* chunk = taken.chunk;
  ChunkState& state = state_of(chunk);
  if (!taken.zeroed) {
    *chunk = {};
    state = {};
    state.dirty.insert(0, pages_per_chunk);
  }
  for (unsigned page = 0; page < first_block_page; ++page)
    chunk->pages[page].kind = PageKind::descriptor;
  state.used.insert(0, first_block_page);
  state.free_pages = state.longest_gap = max_run_pages;
  chunk->owner = owner_;
  chunk->kind = ChunkKind::pages;
  chunk->chunk_count = 1;
  chunk->heap_number = number_;
  chunk->mark = mark_of(chunk);
  ++empty_chunk_count_;
  link_chunk(chunk);
  return true;
}

void Heap::link_chunk(ChunkHeader* chunk) {
  ChunkState& state = state_of(chunk);
  if (state.longest_gap == 0) return;
  ChunkHeader*& head = bins_[bin_of(state.longest_gap)];
  state.previous = nullptr;
  state.next = head;
  if (head != nullptr) state_of(head).previous = chunk;
  head = chunk;
}

void Heap::unlink_chunk(ChunkHeader* chunk) {
  ChunkState& state = state_of(chunk);
  if (state.longest_gap == 0) return;
  (state.previous != nullptr ? state_of(state.previous).next : bins_[bin_of(state.longest_gap)]) =
      state.next;
  if (state.next != nullptr) state_of(state.next).previous = state.previous;
}

void Heap::set_longest_gap(ChunkHeader* chunk, std::uint32_t page_count) {
  ChunkState& state = state_of(chunk);
  const std::uint32_t before = state.longest_gap;
  if (before != 0 && page_count != 0 && bin_of(before) == bin_of(page_count)) {
    state.longest_gap = page_count;
    return;
  }
  unlink_chunk(chunk);
  state.longest_gap = page_count;
  link_chunk(chunk);
}

Heap::Taken Heap::take_chunks(std::uint64_t chunk_count, std::uint32_t idle_pages) {
  if (may_take_kept(chunk_count, idle_pages)) {
    const Run kept = take_kept(chunk_count);
    return {reinterpret_cast<ChunkHeader*>(kept.address), kept.idle_pages, false};
  }
  std::uint64_t address = source_.take(source_.context, chunk_count, 0, idle_pages);
  if (address == 0) {
    give_spare();
    address = source_.take(source_.context, chunk_count, 0, idle_pages);
  }
  GALLOCY_CHECK(address % chunk_bytes == 0, GALLOCY_VALUE(address));
  return {reinterpret_cast<ChunkHeader*>(address), idle_pages, true};
}

void Heap::give_spare() {
  release_all_idle_spans();
  release_empty_chunk();
  give(std::exchange(kept_, {}));
}

bool Heap::take_chunks_at(std::uint64_t address, std::uint64_t chunk_count) {
  const std::uint64_t from_kept =
      kept_.address == address ? std::min(kept_.chunk_count, chunk_count) : 0;
  const std::uint64_t rest = chunk_count - from_kept;
  const std::uint64_t rest_address = address + from_kept * chunk_bytes;
  if (from_kept > 0 && !may_take_kept(from_kept, 0)) return false;
  if (rest > 0 && source_.take(source_.context, rest, rest_address, 0) != rest_address)
    return false;
  if (from_kept > 0) take_kept(from_kept);
  return true;
}

// Claims what the new owner may use and the block before did not.
bool Heap::may_take_kept(std::uint64_t chunk_count, std::uint32_t idle_pages) {
  if (kept_.chunk_count != chunk_count) return kept_.chunk_count > chunk_count;
  if (kept_.idle_pages <= idle_pages) return true;
  if (!claim_last_of(kept_.address, chunk_count)) return false;
  kept_.idle_pages = 0;
  return true;
}

// From the beginning of the kept run. REQUIRES: it may.
Heap::Run Heap::take_kept(std::uint64_t chunk_count) {
  if (kept_.chunk_count == chunk_count) return std::exchange(kept_, {});
  const Run taken{kept_.address, chunk_count};
  kept_.address += chunk_count * chunk_bytes;
  kept_.chunk_count -= chunk_count;
  return taken;
}

bool Heap::claim_last_of(std::uint64_t address, std::uint64_t chunk_count) {
  return source_.claim(source_.context, address + (chunk_count - 1) * chunk_bytes);
}

void Heap::give(Run run) {
  if (run.chunk_count > 0) source_.give(source_.context, run.address, run.chunk_count);
}

void Heap::keep_or_give(Run run) {
  if (run.chunk_count > source_.spare_chunk_count) return give(run);
  give(std::exchange(kept_, run));
}

void Heap::release_empty_chunk() {
  ChunkHeader* chunk = bins_[bin_of(max_run_pages)];
  while (chunk != nullptr && state_of(chunk).free_pages < max_run_pages)
    chunk = state_of(chunk).next;
  if (chunk == nullptr) return;
  --empty_chunk_count_;
  unlink_chunk(chunk);
  chunk->mark = 0;
  give({address_of(chunk), 1});
}

}  // namespace gallocy::heap
