#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "arena.hpp"

using namespace gallocy;
using namespace gallocy::heap;

namespace {

constexpr Owner me{2, 1};
constexpr Owner other{3, 1};

bool all_zero(const void* block, std::size_t size_bytes) {
  const auto* bytes = static_cast<const unsigned char*>(block);
  return std::all_of(bytes, bytes + size_bytes, [](unsigned char b) { return b == 0; });
}

std::size_t resident_pages(void* start, std::size_t size_bytes) {
  std::vector<unsigned char> pages(size_bytes / page_bytes);
  REQUIRE(::mincore(start, size_bytes, pages.data()) == 0);
  return static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(),
                                                [](unsigned char p) { return (p & 1) != 0; }));
}

}  // namespace

TEST_CASE("every size has the smallest class that holds it") {
  for (std::size_t size = 0; size <= max_small_bytes; ++size) {
    const unsigned size_class = class_of(size);
    REQUIRE(class_bytes(size_class) >= size);
    if (size_class > 0) REQUIRE(class_bytes(size_class - 1) < std::max<std::size_t>(size, 1));
  }
  for (unsigned size_class = 0; size_class < class_count; ++size_class) {
    REQUIRE(class_bytes(size_class) % block_alignment_bytes == 0);
    REQUIRE(blocks_of(size_class) <= max_blocks_per_span);
  }
}

TEST_CASE("0 bytes are a block of their own") {
  Arena arena{4};
  Heap heap{me, arena.source()};
  std::set<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.insert(heap.allocate(0));
  CHECK(blocks.size() == 1000);
  CHECK(blocks.count(nullptr) == 0);
}

TEST_CASE("sizes that can't be are refused") {
  Arena arena{4};
  Heap heap{me, arena.source()};
  CHECK(heap.allocate(SIZE_MAX) == nullptr);
  CHECK(heap.allocate(SIZE_MAX - 8192) == nullptr);
  CHECK(heap.allocate_zeroed(SIZE_MAX / 2, 3) == nullptr);
  CHECK(heap.allocate_zeroed(SIZE_MAX, SIZE_MAX) == nullptr);
  CHECK(heap.allocate(5 * chunk_bytes) == nullptr);
  CHECK(heap.allocate(1) != nullptr);
}

TEST_CASE("blocks and descriptors share no page") {
  Arena arena{64};
  Heap heap{me, arena.source()};
  for (std::size_t size : {1ul, 100ul, 4096ul, 40'000ul, 2'000'000ul, 2'100'000ul, 9'000'000ul}) {
    void* block = heap.allocate(size);
    REQUIRE(block != nullptr);
    const ChunkHeader* chunk = chunk_of(block);
    const unsigned limit =
        chunk->kind == ChunkKind::large_block ? chunk->block_page : first_block_page;
    CHECK(page_number_of(block) >= limit);
    CHECK(block_bytes(block) >= size);
    CHECK(address_of(block) % block_alignment_bytes == 0);
  }
}

TEST_CASE("who owns a block can be read by all, and only the owner frees it") {
  Arena arena{16};
  Heap mine{me, arena.source()}, theirs{other, arena.source()};
  for (std::size_t size : {24ul, 100'000ul, 5'000'000ul}) {
    void* block = theirs.allocate(size);
    Owner owner;
    REQUIRE(owner_of(block, owner));
    CHECK(owner == other);
    CHECK(mine.free_local(block) == FreeOutcome::foreign);
    CHECK(theirs.free_local(block) == FreeOutcome::freed);
  }
}

TEST_CASE("double frees and stray pointers are told apart from blocks") {
  Arena arena{16};
  Heap heap{me, arena.source()};
  auto* keep = static_cast<char*>(heap.allocate(48));
  auto* small = static_cast<char*>(heap.allocate(48));
  CHECK(heap.free_local(small + 16) == FreeOutcome::not_a_block);
  CHECK(heap.free_local(small) == FreeOutcome::freed);
  CHECK(heap.free_local(small) == FreeOutcome::freed_already);
  CHECK(heap.free_local(chunk_of(keep)) == FreeOutcome::not_a_block);

  auto* run = static_cast<char*>(heap.allocate(100'000));
  CHECK(heap.free_local(run + 4096) == FreeOutcome::not_a_block);
  CHECK(heap.free_local(run) == FreeOutcome::freed);
  CHECK(heap.free_local(run) == FreeOutcome::freed_already);

  auto* large = static_cast<char*>(heap.allocate(3 * chunk_bytes));
  CHECK(heap.free_local(large + 16) == FreeOutcome::not_a_block);
  CHECK(heap.free_local(large) == FreeOutcome::freed);
  CHECK(heap.free_local(large) == FreeOutcome::not_a_block);
  CHECK(block_bytes(large) == 0);
}

TEST_CASE("zeroed blocks are zero after reuse") {
  Arena arena{8};
  Heap heap{me, arena.source()};
  for (std::size_t size : {16ul, 200ul, 5000ul, 32'768ul, 70'000ul, 1'500'000ul, 3'000'000ul}) {
    for (int round = 0; round < 4; ++round) {
      std::vector<void*> blocks;
      for (int i = 0; i < 5; ++i) {
        void* block = heap.allocate_zeroed(1, size);
        if (block == nullptr) break;
        REQUIRE(all_zero(block, size));
        std::memset(block, 0xa5, size);
        blocks.push_back(block);
      }
      REQUIRE(!blocks.empty());
      for (void* block : blocks) REQUIRE(heap.free_local(block) == FreeOutcome::freed);
    }
  }
}

TEST_CASE("zeroed blocks of pages never used are not touched") {
  Arena arena{64};
  Heap heap{me, arena.source()};
  auto* large = static_cast<char*>(heap.allocate_zeroed(1, 50 * chunk_bytes));
  REQUIRE(large != nullptr);
  CHECK(resident_pages(large, 50 * chunk_bytes) == 0);
  auto* run = static_cast<char*>(heap.allocate_zeroed(1, 300 * page_bytes));
  CHECK(resident_pages(run, 300 * page_bytes) == 0);
}

TEST_CASE("what is freed in pieces can be had as a whole") {
  Arena arena{32};
  Heap heap{me, arena.source()};
  std::vector<void*> blocks;
  while (void* block = heap.allocate(blocks.size() % 3 == 0 ? 20'000 : 700))
    blocks.push_back(block);
  while (void* block = heap.allocate(700)) blocks.push_back(block);
  CHECK(arena.taken() == 32);
  CHECK(heap.allocate(700) == nullptr);
  // Every second one first: fragments, then the rest.
  for (std::size_t i = 0; i < blocks.size(); i += 2) heap.free_local(blocks[i]);
  for (std::size_t i = 1; i < blocks.size(); i += 2) heap.free_local(blocks[i]);
  CHECK(heap.allocate(30 * chunk_bytes) != nullptr);
}

TEST_CASE("with every second block freed the same blocks fit again without new chunks") {
  Arena arena{256};
  Heap heap{me, arena.source()};
  std::vector<void*> blocks;
  for (int i = 0; i < 20'000; ++i) blocks.push_back(heap.allocate(1000));
  const auto before = arena.taken();
  for (std::size_t i = 0; i < blocks.size(); i += 2) heap.free_local(blocks[i]);
  for (std::size_t i = 0; i < blocks.size(); i += 2) blocks[i] = heap.allocate(1000);
  CHECK(arena.taken() == before);
  CHECK(std::set<void*>(blocks.begin(), blocks.end()).size() == blocks.size());
}

TEST_CASE("one block to and fro takes one chunk") {
  Arena arena{8};
  Heap heap{me, arena.source()};
  for (std::size_t size : {64ul, 50'000ul, 2'000'000ul})
    for (int i = 0; i < 10'000; ++i)
      REQUIRE(heap.free_local(heap.allocate(size)) == FreeOutcome::freed);
  CHECK(arena.most_taken() <= 2);
}

TEST_CASE("one block to and fro does not go to the source each time") {
  Arena arena{32};
  Heap heap{me, arena.source()};
  for (std::size_t size : {64ul, 50'000ul, 2'000'000ul, 3'000'000ul, 8ul << 20, 30ul << 20}) {
    REQUIRE(heap.free_local(heap.allocate(size)) == FreeOutcome::freed);
    const auto before = arena.moves();
    for (int i = 0; i < 1'000; ++i)
      REQUIRE(heap.free_local(heap.allocate(size)) == FreeOutcome::freed);
    CHECK(arena.moves() == before);
  }
}

TEST_CASE("what is freed goes back, but for one chunk and one run") {
  Arena arena{512};
  Heap heap{me, arena.source()};
  std::vector<void*> blocks;
  for (int i = 0; i < 300; ++i)
    for (std::size_t size : {700ul, 20'000ul, 300'000ul, 2'500'000ul})
      if (void* block = heap.allocate(size)) blocks.push_back(block);
  CHECK(arena.taken() > 400);
  for (void* block : blocks) REQUIRE(heap.free_local(block) == FreeOutcome::freed);
  CHECK(arena.taken() <= 1 + 2);
  auto* huge = heap.allocate(60ul << 20);
  heap.free_local(huge);
  CHECK(arena.taken() <= 1 + 2);
}

TEST_CASE("aligned blocks of all sizes are aligned, usable and freed as others are") {
  Arena arena{512};
  Heap heap{me, arena.source()};
  std::vector<std::pair<char*, std::size_t>> blocks;
  for (std::size_t alignment = 1; alignment <= max_alignment_bytes; alignment *= 2)
    for (std::size_t size : {0ul, 1ul, 24ul, 4096ul, 5000ul, 40'000ul, 1'100'000ul, 2'040'000ul,
                             2'100'000ul, 5'000'000ul}) {
      const Heap::Block block = heap.allocate_block(size, alignment);
      REQUIRE(block.address != nullptr);
      REQUIRE(address_of(block.address) % std::max<std::size_t>(alignment, 16) == 0);
      REQUIRE(block.size_bytes >= std::max<std::size_t>(size, 1));
      REQUIRE(block_bytes(block.address) == block.size_bytes);
      Owner owner;
      REQUIRE(owner_of(block.address, owner));
      REQUIRE(owner == me);
      auto* bytes = reinterpret_cast<char*>(block.address);
      std::memset(bytes, static_cast<int>(blocks.size()), std::min(size, 9'000ul));
      if (size > 0) bytes[size - 1] = static_cast<char>(blocks.size());
      blocks.emplace_back(bytes, size);
    }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [bytes, size] = blocks[i];
    if (size == 0) continue;
    REQUIRE(bytes[0] == static_cast<char>(i));
    REQUIRE(bytes[size - 1] == static_cast<char>(i));
  }
  for (const auto& [bytes, size] : blocks) {
    CHECK(heap.free_local(bytes + 8) == FreeOutcome::not_a_block);
    REQUIRE(heap.free_local(bytes) == FreeOutcome::freed);
  }
  CHECK(arena.taken() <= 1 + 4);
}

TEST_CASE("runs grow and shrink in place while there is room behind them") {
  Arena arena{8};
  Heap heap{me, arena.source()};
  auto* run = static_cast<char*>(heap.allocate(100'000));
  std::memset(run, 1, 100'000);
  CHECK(heap.resize(run, 400'000));
  CHECK(block_bytes(run) >= 400'000);
  std::memset(run, 2, 400'000);
  void* next = heap.allocate(100'000);
  CHECK(!heap.resize(run, 800'000));
  CHECK(heap.resize(run, 60'000));
  CHECK(block_bytes(run) < 70'000);
  CHECK(run[59'999] == 2);
  CHECK(heap.allocate(300'000) < next);  // where the run was before
  CHECK(!heap.resize(run, 1'000));       // too small to be worth a run
  CHECK(heap.free_local(run) == FreeOutcome::freed);
  CHECK(heap.free_local(next) == FreeOutcome::freed);
}

TEST_CASE("large blocks grow and shrink in place") {
  Arena arena{64};
  Heap heap{me, arena.source()};
  auto* large = static_cast<char*>(heap.allocate(5 * chunk_bytes));
  CHECK(heap.resize(large, 20 * chunk_bytes));
  CHECK(block_bytes(large) >= 20 * chunk_bytes);
  CHECK(arena.taken() == 21);
  large[20 * chunk_bytes - 1] = 1;
  CHECK(heap.resize(large, 3 * chunk_bytes));
  CHECK(arena.taken() == 4);
  void* next = heap.allocate(2 * chunk_bytes);
  CHECK(!heap.resize(large, 9 * chunk_bytes));
  CHECK(heap.resize(large, 2 * chunk_bytes));
  CHECK(!heap.resize(large, 500'000));  // a chunk would be mostly empty
  CHECK(!heap.resize(large, SIZE_MAX / 2));
  CHECK(heap.free_local(large) == FreeOutcome::freed);
  CHECK(heap.free_local(next) == FreeOutcome::freed);
}

TEST_CASE("small blocks stay where a smaller one would not save much") {
  Arena arena{8};
  Heap heap{me, arena.source()};
  void* block = heap.allocate(1'000);
  CHECK(heap.resize(block, 1'024));
  CHECK(heap.resize(block, 600));
  CHECK(!heap.resize(block, 1'025));
  CHECK(!heap.resize(block, 100));
}

TEST_CASE("a large block that was freed is kept for the next if the source lets it lie there") {
  constexpr std::uint64_t own_pages = large_block_page * page_bytes;
  for (const std::uint64_t spare : {0, 2, 16}) {
    Arena arena{64};
    ChunkSource source = arena.source();
    source.spare_chunk_count = spare;
    Heap heap{me, source};
    for (const std::uint64_t chunk_count : {2, 3, 16, 17}) {
      void* block = heap.allocate(chunk_count * chunk_bytes - own_pages);
      REQUIRE(block != nullptr);
      CHECK(heap.free_local(block) == FreeOutcome::freed);
      CHECK(arena.taken() <= spare);
    }
  }
}

TEST_CASE("what a block leaves of its last chunk is used when it has been claimed") {
  Arena arena{64};
  Heap heap{me, arena.source()};
  auto* block = static_cast<char*>(heap.allocate(3 * chunk_bytes / 4));
  CHECK(block_bytes(block) == 3 * chunk_bytes / 4);
  CHECK(heap.allocate(100) != nullptr);  // in a chunk of its own
  CHECK(arena.taken() == 2);
  CHECK(arena.claims() == 0);
  CHECK(heap.resize(block, 3 * chunk_bytes / 4 + 1));
  CHECK(arena.claims() == 1);
  const std::size_t whole_bytes = chunk_bytes - large_block_page * page_bytes;
  CHECK(block_bytes(block) == whole_bytes);
  CHECK(heap.resize(block, whole_bytes));
  CHECK(arena.claims() == 1);
}

TEST_CASE("a block whose claim is refused stays as it is") {
  Arena arena{64};
  arena.grant_no_claims();
  Heap heap{me, arena.source()};
  void* block = heap.allocate(5 * chunk_bytes / 2);
  CHECK(!heap.resize(block, 11 * chunk_bytes / 4));
  CHECK(!heap.resize(block, 5 * chunk_bytes));
  CHECK(block_bytes(block) == 5 * chunk_bytes / 2);
  CHECK(heap.resize(block, 3 * chunk_bytes / 2));  // without its last chunk
  CHECK(heap.resize(block, 7 * chunk_bytes / 4));
}

TEST_CASE("a run that was kept is claimed for a block that uses more of it") {
  for (const bool granted : {true, false}) {
    Arena arena{64};
    if (!granted) arena.grant_no_claims();
    Heap heap{me, arena.source()};
    void* kept = heap.allocate(5 * chunk_bytes / 2);
    CHECK(heap.free_local(kept) == FreeOutcome::freed);
    CHECK(heap.allocate(9 * chunk_bytes / 4) == kept);  // uses less
    CHECK(heap.free_local(kept) == FreeOutcome::freed);
    void* block = heap.allocate(11 * chunk_bytes / 4);
    CHECK((block == kept) == granted);
    CHECK(arena.claims() == (granted ? 1 : 0));
    CHECK(arena.is_claimed(block, block_bytes(block)));
  }
}
