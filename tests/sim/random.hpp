// The one source of chance of a run: the seed and the commit reproduce it. The distributions of
// the standard library differ between its versions, so none of them is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace gallocy::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1) {}

  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  bool one_in(std::uint64_t count) { return below(count) == 0; }

  template <class Container>
  auto& pick(Container& from) {
    return from[static_cast<std::size_t>(below(std::size(from)))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace gallocy::sim
