// Bytes as a broken or hostile peer would send them.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace gallocy::wire::test {

// A copy that begins at a multiple of 8 and whose end a sanitizer can see.
class Aligned {
 public:
  explicit Aligned(std::span<const std::byte> bytes)
      : words_((bytes.size() + 7) / 8), size_bytes_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  std::span<std::byte> bytes() {
    return std::as_writable_bytes(std::span(words_)).first(size_bytes_);
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_bytes_;
};

template <class Decode>
unsigned count_refused_truncations(std::span<const std::byte> whole, Decode decode) {
  unsigned refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size)
    refused += !decode(Aligned(whole.first(size)).bytes());
  return refused;
}

inline void mutate(std::span<std::byte> bytes, std::mt19937_64& random) {
  const unsigned change_count = 1 + random() % 4;
  for (unsigned i = 0; i < change_count; ++i) {
    std::byte& victim = bytes[random() % bytes.size()];
    if (random() % 2 == 0) victim ^= std::byte(1u << random() % 8);
    else victim = std::byte(random());
  }
}

}  // namespace gallocy::wire::test
