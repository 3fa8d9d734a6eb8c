#include "base/histogram.hpp"

#include <doctest/doctest.h>

using gallocy::Histogram;

TEST_CASE("an empty histogram has no quantiles") {
  const Histogram none;
  CHECK(none.count() == 0);
  CHECK(none.percentile(50) == 0);
  CHECK(none.percentile(100) == 0);
}

TEST_CASE("small values are exact") {
  Histogram some;
  for (std::uint64_t value = 0; value < 8; ++value) some.add(value);
  CHECK(some.count() == 8);
  CHECK(some.percentile(1) == 0);
  CHECK(some.percentile(50) == 3);
  CHECK(some.percentile(100) == 7);
}

TEST_CASE("a quantile is never too low and at most an eighth too high") {
  for (std::uint64_t value : {8ull, 9ull, 15ull, 16ull, 17ull, 1000ull, 65535ull, 65536ull,
                              123456789ull, 4294967295ull}) {
    Histogram one;
    one.add(value);
    CHECK(one.percentile(50) >= value);
    CHECK(one.percentile(50) <= value + value / 8);
  }
}

TEST_CASE("one in a hundred is above the 99th percentile") {
  Histogram some;
  for (int i = 0; i < 990; ++i) some.add(5);
  for (int i = 0; i < 10; ++i) some.add(1'000'000);
  CHECK(some.percentile(99) == 5);
  CHECK(some.percentile(100) >= 1'000'000);
}

TEST_CASE("what is larger than the last bucket counts in it") {
  Histogram one;
  one.add(1ull << 40);
  CHECK(one.count() == 1);
  CHECK(one.percentile(50) == 4294967295ull);
}

TEST_CASE("histograms add up") {
  Histogram first, second;
  first.add(3);
  second.add(3);
  second.add(100);
  first.merge(second.buckets());
  CHECK(first.count() == 3);
  CHECK(first.percentile(50) == 3);
}
