#include "preload/ceiling.hpp"

#include <sys/mman.h>

namespace gallocy::preload {

namespace {

constexpr std::size_t taken_count_max = 8192;
constexpr std::size_t largest_bytes = std::size_t{1} << 46;

constinit Range g_taken[taken_count_max];

}  // namespace

// The kernel takes the highest place that is large enough, so that large pieces go first.
Ceiling::Ceiling(std::uint64_t top) {
  for (std::size_t size_bytes = largest_bytes; size_bytes >= page_bytes; size_bytes /= 2)
    while (take(top, size_bytes)) {
    }
}

Ceiling::~Ceiling() {
  for (std::size_t i = 0; i < count_; ++i) ::munmap(g_taken[i].pointer(), g_taken[i].size_bytes());
}

// False: the next such piece would lie below.
bool Ceiling::take(std::uint64_t top, std::size_t size_bytes) {
  if (count_ == taken_count_max) return false;
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* mapped = ::mmap(nullptr, size_bytes, PROT_NONE, flags, -1, 0);
  if (mapped == MAP_FAILED) return false;
  const auto begin = reinterpret_cast<std::uint64_t>(mapped);
  if (begin < top) {
    ::munmap(mapped, size_bytes);
    return false;
  }
  g_taken[count_++] = {begin, begin + size_bytes};
  return true;
}

}  // namespace gallocy::preload
