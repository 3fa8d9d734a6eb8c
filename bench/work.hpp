// What is measured twice: with the C library's calls as the floor, and with gallocy's.
#pragma once

#include <cstring>

#include "bench/measure.hpp"

namespace bench {

constexpr long pairs_per_sample = 1000;

// The time of one pair of calls, from batches that are much longer than a look at the clock.
template <class Pair>
Samples time_pairs(long count, Pair pair) {
  const long batch_count = std::max(1L, count / pairs_per_sample);
  Samples samples(static_cast<std::size_t>(batch_count));
  for (long batch = 0; batch < batch_count; ++batch) {
    const std::int64_t began_ns = now_ns();
    for (long i = 0; i < pairs_per_sample; ++i) pair();
    const auto spent_ns = static_cast<double>(now_ns() - began_ns);
    samples.add(spent_ns / static_cast<double>(pairs_per_sample));
  }
  return samples;
}

// Blocks of 16 to 527 bytes that live for a thousand other calls or so; each is checked for its
// own mark when it goes.
template <class Allocate, class Release>
Samples time_small_blocks(long count, Allocate allocate, Release release) {
  constexpr std::size_t live_count = 1024;
  std::vector<std::uint64_t*> live(live_count, nullptr);
  std::uint64_t state = 12345;
  std::uint64_t wrong_count = 0;
  const auto replace_one = [&] {
    state = state * 6364136223846793005 + 1442695040888963407;
    std::uint64_t*& block = live[state >> 54];
    if (block != nullptr) {
      wrong_count += *block != reinterpret_cast<std::uint64_t>(block);
      release(block);
    }
    block = static_cast<std::uint64_t*>(allocate(16 + (state >> 40 & 511)));
    *block = reinterpret_cast<std::uint64_t>(block);
  };
  for (std::size_t i = 0; i < 8 * live_count; ++i) replace_one();
  Samples samples = time_pairs(count, replace_one);
  if (wrong_count != 0) die("%lu blocks lost what was written to them", wrong_count);
  for (std::uint64_t* block : live)
    if (block != nullptr) release(block);
  return samples;
}

}  // namespace bench
