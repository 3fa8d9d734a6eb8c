// Random programs against a model: every block that is alive keeps its contents, whatever is
// allocated and freed around it.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <vector>

#include "arena.hpp"

using namespace gallocy;
using namespace gallocy::heap;

namespace {

struct Block {
  std::uint64_t* address;
  std::size_t size_bytes;
  std::uint64_t pattern;
};

// The first and last word of every page, and of the block: overlaps can't hide from that.
template <class Visit>
void for_each_word(const Block& block, Visit visit) {
  const std::size_t words = block.size_bytes / 8;
  for (std::size_t i = 0; i < words; i += 512) visit(block.address[i]);
  if (words > 0) visit(block.address[words - 1]);
}

class Model {
 public:
  Model(std::uint64_t seed, std::uint64_t chunk_count)
      : random_(seed), arena_(chunk_count), heap_({0, 0}, arena_.source()) {}

  void run(int step_count, std::size_t alive_limit) {
    for (int i = 0; i < step_count; ++i) {
      const bool shrink = random_() % 100 < (alive_.size() > alive_limit ? 60u : 45u);
      if (random_() % 8 == 0 && !alive_.empty()) resize_one(random_() % alive_.size());
      else if (shrink && !alive_.empty()) free_one(random_() % alive_.size());
      else allocate_one();
    }
    while (!alive_.empty()) free_one(alive_.size() - 1);
    REQUIRE(arena_.taken() <= 1 + spare_chunks_max);
  }

  std::size_t refused() const { return refused_; }

 private:
  std::size_t random_size() {
    switch (random_() % 64) {
      case 0: return random_() % (4 * chunk_bytes);
      case 1: case 2: return random_() % (256 * 1024);
      case 3: case 4: case 5: case 6: return random_() % max_small_bytes;
      default: return random_() % 512;
    }
  }

  void allocate_one() {
    const std::size_t size = random_size();
    const bool zeroed = random_() % 4 == 0;
    const std::size_t alignment = std::size_t{16} << (random_() % 6 == 0 ? random_() % 18 : 0);
    void* address = zeroed ? heap_.allocate_zeroed(1, size)
                           : heap_.allocate_block(size, alignment).address;
    if (address == nullptr) {
      ++refused_;
      return;
    }
    REQUIRE(address_of(address) % (zeroed ? block_alignment_bytes : alignment) == 0);
    REQUIRE(block_bytes(address) >= size);
    REQUIRE(arena_.is_claimed(address, block_bytes(address)));
    Block block{static_cast<std::uint64_t*>(address), size, random_()};
    if (zeroed) for_each_word(block, [](std::uint64_t word) { REQUIRE(word == 0); });
    for_each_word(block, [&](std::uint64_t& word) { word = block.pattern; });
    alive_.push_back(block);
  }

  // In place or not at all; what was in it stays.
  void resize_one(std::size_t index) {
    Block& block = alive_[index];
    const std::size_t size = random_() % 4 == 0 ? random_size() : block.size_bytes / 2 +
                                                  random_() % (block.size_bytes + 1);
    if (!heap_.resize(block.address, size)) return;
    REQUIRE(block_bytes(block.address) >= size);
    REQUIRE(arena_.is_claimed(block.address, block_bytes(block.address)));
    const Block common{block.address, std::min(block.size_bytes, size) / 8 * 8, block.pattern};
    for (std::size_t i = 0; i < common.size_bytes / 8; i += 512)
      REQUIRE(common.address[i] == block.pattern);
    block.size_bytes = size;
    for_each_word(block, [&](std::uint64_t& word) { word = block.pattern; });
  }

  void free_one(std::size_t index) {
    const Block block = alive_[index];
    for_each_word(block, [&](std::uint64_t word) { REQUIRE(word == block.pattern); });
    REQUIRE(heap_.free_local(block.address) == FreeOutcome::freed);
    alive_[index] = alive_.back();
    alive_.pop_back();
  }

  std::mt19937_64 random_;
  Arena arena_;
  Heap heap_;
  std::vector<Block> alive_;
  std::size_t refused_ = 0;
};

}  // namespace

TEST_CASE("half a million steps with room enough") {
  Model model{1, 4096};
  model.run(500'000, 5'000);
  CHECK(model.refused() == 0);
}

TEST_CASE("at the limit of memory") {
  for (std::uint64_t seed = 2; seed < 8; ++seed) {
    Model model{seed, 24};
    model.run(100'000, 2'000);
    CHECK(model.refused() > 0);
  }
}
