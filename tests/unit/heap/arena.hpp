// Memory that hands out chunks to a heap under test.
#pragma once

#include <sys/mman.h>

#include <cstdint>

#include "base/ids.hpp"
#include "heap/heap.hpp"

namespace gallocy::heap {

class Arena {
 public:
  explicit Arena(std::uint64_t chunk_count) : limit_(chunk_count) {
    const std::uint64_t bytes = (chunk_count + 1) * chunk_bytes;
    mapping_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mapping_bytes_ = bytes;
    base_ = (address_of(mapping_) + chunk_bytes - 1) / chunk_bytes * chunk_bytes;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { ::munmap(mapping_, mapping_bytes_); }

  ChunkSource source() {
    return {[](void* self, std::uint64_t count) { return static_cast<Arena*>(self)->take(count); },
            this};
  }
  std::uint64_t taken() const { return taken_; }

 private:
  std::uint64_t take(std::uint64_t count) {
    if (count > limit_ - taken_) return 0;
    const std::uint64_t address = base_ + taken_ * chunk_bytes;
    taken_ += count;
    return address;
  }

  void* mapping_;
  std::uint64_t mapping_bytes_, base_, limit_, taken_ = 0;
};

}  // namespace gallocy::heap
