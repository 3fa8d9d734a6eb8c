// How much more memory a heap takes than was asked for, in three classic patterns.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <random>
#include <vector>

#include "arena.hpp"

using namespace gallocy;
using namespace gallocy::heap;

namespace {

class Measured {
 public:
  struct Block {
    void* address = nullptr;
    std::size_t size_bytes = 0;
  };

  Block allocate(std::size_t size_bytes) {
    const Block block{heap_.allocate(size_bytes), size_bytes};
    REQUIRE(block.address != nullptr);
    asked_ += size_bytes;
    if (asked_ > asked_at_peak_) {
      asked_at_peak_ = asked_;
      taken_at_peak_ = taken();
    }
    return block;
  }
  void free(Block block) {
    asked_ -= block.size_bytes;
    REQUIRE(heap_.free_local(block.address) == FreeOutcome::freed);
  }

  // What was taken for each byte that was asked for, when most was asked for.
  double peak_ratio(const char* pattern) const {
    const double ratio =
        static_cast<double>(taken_at_peak_) / static_cast<double>(asked_at_peak_);
    std::printf("%s: at the peak %zu KiB asked, %zu KiB taken (%.2f); after it %zu and %zu KiB\n",
                pattern, asked_at_peak_ >> 10, taken_at_peak_ >> 10, ratio, asked_ >> 10,
                taken() >> 10);
    return ratio;
  }
  std::size_t taken() const { return arena_.taken() * chunk_bytes; }

 private:
  Arena arena_{4096};
  Heap heap_{{0, 0}, arena_.source()};
  std::size_t asked_ = 0, asked_at_peak_ = 0, taken_at_peak_ = 0;
};

constexpr std::size_t kept_bytes = (1 + spare_chunks_max) * chunk_bytes;

}  // namespace

TEST_CASE("growing sizes: each round is freed before the next, larger one is complete") {
  Measured heap;
  std::deque<Measured::Block> alive;
  for (std::size_t size = 16; size < 600'000; size += size / 5 + 3) {
    const std::size_t count = std::max<std::size_t>(4, (std::size_t{24} << 20) / size);
    for (std::size_t i = 0; i < count; ++i) {
      alive.push_back(heap.allocate(size));
      if (i % 2 == 0 && alive.size() > count) {
        heap.free(alive.front());
        alive.pop_front();
      }
    }
    while (alive.size() > count) {
      heap.free(alive.front());
      alive.pop_front();
    }
  }
  CHECK(heap.peak_ratio("growing sizes") < 1.45);
  for (const auto& block : alive) heap.free(block);
  CHECK(heap.taken() <= kept_bytes);
}

TEST_CASE("random lifetimes: sizes of four magnitudes, any block may die at any time") {
  Measured heap;
  std::mt19937_64 random(5);
  std::vector<Measured::Block> alive;
  for (int i = 0; i < 400'000; ++i) {
    if (alive.size() > 20'000 || (random() % 5 < 2 && !alive.empty())) {
      std::swap(alive[random() % alive.size()], alive.back());
      heap.free(alive.back());
      alive.pop_back();
    } else {
      alive.push_back(heap.allocate(1 + random() % (std::size_t{1} << (4 + random() % 14))));
    }
  }
  CHECK(heap.peak_ratio("random lifetimes") < 1.35);
  // Nine of ten go, the rest is spread over all of it.
  for (std::size_t i = 0; i < alive.size(); ++i)
    if (i % 10 != 0) heap.free(alive[i]);
  heap.peak_ratio("nine tenths freed");
  for (std::size_t i = 0; i < alive.size(); i += 10) heap.free(alive[i]);
  CHECK(heap.taken() <= kept_bytes);
}

TEST_CASE("producer and consumer: a queue of blocks that die in the order of their birth") {
  Measured heap;
  std::mt19937_64 random(6);
  std::deque<Measured::Block> queue;
  for (int i = 0; i < 300'000; ++i) {
    queue.push_back(heap.allocate(64 + random() % 8'000));
    while (queue.size() > 5'000 + random() % 2'000) {
      heap.free(queue.front());
      queue.pop_front();
    }
  }
  CHECK(heap.peak_ratio("producer and consumer") < 1.4);
  for (const auto& block : queue) heap.free(block);
  CHECK(heap.taken() <= kept_bytes);
}
