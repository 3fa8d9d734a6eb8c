// How often which duration was seen, in buckets that are at most an eighth of their value wide: a
// quantile read from it is at most that much too high. Fixed size, plain numbers, no allocation.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace gallocy {

class Histogram {
 public:
  static constexpr unsigned bucket_count = 8 + 29 * 8;  // up to 2^32 - 1; larger counts as that
  using Buckets = std::array<std::uint64_t, bucket_count>;

  void add(std::uint64_t value) { ++buckets_[bucket_of(value)]; }
  void merge(const Buckets& other) {
    for (unsigned i = 0; i < bucket_count; ++i) buckets_[i] += other[i];
  }
  const Buckets& buckets() const { return buckets_; }

  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t bucket : buckets_) sum += bucket;
    return sum;
  }

  // The value that `percent` of those seen do not exceed; 0 if none was seen.
  // REQUIRES: 0 < percent <= 100.
  std::uint64_t percentile(unsigned percent) const {
    const std::uint64_t all = count();
    const std::uint64_t rank = all / 100 * percent + (all % 100 * percent + 99) / 100;
    std::uint64_t seen = 0;
    for (unsigned i = 0; i < bucket_count; ++i)
      if ((seen += buckets_[i]) >= rank && seen > 0) return last_of(i);
    return 0;
  }

 private:
  static constexpr unsigned bucket_of(std::uint64_t value) {
    if (value < 8) return static_cast<unsigned>(value);
    const auto number = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, ~0u));
    const unsigned doubling = static_cast<unsigned>(std::bit_width(number)) - 4;
    return 8 + doubling * 8 + (number >> doubling & 7);
  }
  // The largest value of a bucket.
  static constexpr std::uint64_t last_of(unsigned bucket) {
    if (bucket < 8) return bucket;
    const unsigned doubling = (bucket - 8) / 8, step = (bucket - 8) % 8;
    return ((std::uint64_t{8} + step + 1) << doubling) - 1;
  }

  Buckets buckets_{};
};

}  // namespace gallocy
