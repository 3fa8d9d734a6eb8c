// Pages of chunks, and runs of chunks.
#include "base/check.hpp"
#include "heap/heap.hpp"

namespace gallocy::heap {

namespace {

FreeRun* run_at(const ChunkHeader* chunk) {
  return reinterpret_cast<FreeRun*>(page_at(chunk, 1));
}

std::uint64_t end_of(const FreeRun* run) {
  return address_of(chunk_of(run)) + run->chunk_count * chunk_bytes;
}

unsigned bin_of(std::uint32_t page_count) {
  return static_cast<unsigned>(std::bit_width(page_count)) - 1;
}

}  // namespace

// Bins below the request's can't hold it; one in the request's own bin may or may not, and one
// that turns out not to is noted as such, so no chunk is searched twice in vain.
Heap::Pages Heap::take_pages(unsigned page_count) {
  for (unsigned bin = bin_of(page_count); bin < bin_count; ++bin)
    for (ChunkHeader* chunk = bins_[bin]; chunk != nullptr;) {
      ChunkHeader* next = state_of(chunk).next;
      const Pages pages = take_pages_of(chunk, page_count);
      if (pages.chunk != nullptr) return pages;
      chunk = next;
    }
  if (!add_chunk()) return {};
  return take_pages(page_count);  // succeeds: the new chunk holds the longest run there is
}

Heap::Pages Heap::take_pages_of(ChunkHeader* chunk, unsigned page_count) {
  ChunkState& state = state_of(chunk);
  if (state.longest_gap < page_count) return {};
  const unsigned first = state.used.find_gap(page_count);
  if (first == pages_per_chunk) {
    set_longest_gap(chunk, page_count - 1);
    return {};
  }
  if (state.free_pages == max_run_pages) --empty_chunk_count_;
  state.used.insert(first, page_count);
  state.free_pages -= page_count;
  if (state.longest_gap > state.free_pages) set_longest_gap(chunk, state.free_pages);
  return {chunk, first};
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
  give_chunks(chunk, 1);
}

bool Heap::add_chunk() {
  bool zeroed = false;
  ChunkHeader* chunk = take_chunks(1, zeroed);
  if (chunk == nullptr) return false;
  ChunkState& state = state_of(chunk);
  if (!zeroed) {
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

ChunkHeader* Heap::take_chunks(std::uint64_t chunk_count, bool& zeroed) {
  zeroed = false;
  if (ChunkHeader* chunk = take_free_run(chunk_count)) return chunk;
  const std::uint64_t address = source_.take(source_.context, chunk_count);
  if (address != 0) {
    GALLOCY_CHECK(address % chunk_bytes == 0, GALLOCY_VALUE(address));
    zeroed = true;
    return reinterpret_cast<ChunkHeader*>(address);
  }
  release_empty_spans();
  release_empty_chunk();
  return take_free_run(chunk_count);
}

void Heap::release_empty_chunk() {
  ChunkHeader* chunk = bins_[bin_of(max_run_pages)];
  while (chunk != nullptr && state_of(chunk).free_pages < max_run_pages)
    chunk = state_of(chunk).next;
  if (chunk == nullptr) return;
  --empty_chunk_count_;
  unlink_chunk(chunk);
  give_chunks(chunk, 1);
}

// First fit; the rest of a longer run stays where it is in the list.
ChunkHeader* Heap::take_free_run(std::uint64_t chunk_count) {
  for (FreeRun** link = &free_runs_; *link != nullptr; link = &(*link)->next) {
    FreeRun* run = *link;
    if (run->chunk_count < chunk_count) continue;
    ChunkHeader* first = chunk_of(run);
    if (run->chunk_count == chunk_count) {
      *link = run->next;
    } else {
      auto* rest = run_at(reinterpret_cast<ChunkHeader*>(address_of(first) +
                                                         chunk_count * chunk_bytes));
      *rest = {run->next, run->chunk_count - chunk_count};
      *link = rest;
    }
    return first;
  }
  return nullptr;
}

// Neighbours grow together, so that many small chunks can become one large block again.
void Heap::give_chunks(ChunkHeader* first, std::uint64_t chunk_count) {
  first->mark = 0;
  FreeRun* run = run_at(first);
  FreeRun* before = nullptr;
  FreeRun* after = free_runs_;
  while (after != nullptr && after < run) {
    before = after;
    after = after->next;
  }
  *run = {after, chunk_count};
  if (after != nullptr && end_of(run) == address_of(chunk_of(after)))
    *run = {after->next, chunk_count + after->chunk_count};
  if (before == nullptr) {
    free_runs_ = run;
  } else if (end_of(before) == address_of(first)) {
    *before = {run->next, before->chunk_count + run->chunk_count};
  } else {
    before->next = run;
  }
}

}  // namespace gallocy::heap
