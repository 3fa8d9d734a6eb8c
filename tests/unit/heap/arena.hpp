// Memory that hands out chunks to a heap under test, and takes them back. It knows which pages of
// them the heap has said it uses.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

#include "base/ids.hpp"
#include "heap/heap.hpp"

namespace gallocy::heap {

class Arena {
 public:
  explicit Arena(std::uint64_t chunk_count) {
    mapping_bytes_ = (chunk_count + 2) * chunk_bytes;
    mapping_ = ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // There is memory before the first chunk, too.
    const auto base = (address_of(mapping_) + 2 * chunk_bytes - 1) / chunk_bytes * chunk_bytes;
    free_[base] = chunk_count;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { ::munmap(mapping_, mapping_bytes_); }

  ChunkSource source() {
    return {[](void* self, std::uint64_t count, std::uint64_t wanted, std::uint64_t idle_pages) {
              return static_cast<Arena*>(self)->take(count, wanted, idle_pages);
            },
            [](void* self, std::uint64_t address, std::uint64_t count) {
              static_cast<Arena*>(self)->give(address, count);
            },
            [](void* self, std::uint64_t address) {
              return static_cast<Arena*>(self)->claim(address);
            },
            this};
  }
  void grant_no_claims() { grants_claims_ = false; }
  std::uint64_t claims() const { return claims_; }  // granted

  // Whether all pages of the block are such that the heap may use them.
  bool is_claimed(const void* block, std::uint64_t size_bytes) const {
    for (std::uint64_t at = address_of(block); at < address_of(block) + size_bytes;) {
      const std::uint64_t chunk = at / chunk_bytes * chunk_bytes;
      const std::uint64_t end = std::min(chunk + chunk_bytes, address_of(block) + size_bytes);
      const auto idle = idle_.find(chunk);
      if (idle != idle_.end() && end > chunk + chunk_bytes - idle->second * page_bytes)
        return false;
      at = end;
    }
    return true;
  }
  std::uint64_t taken() const { return taken_; }          // now
  std::uint64_t most_taken() const { return most_taken_; }
  std::uint64_t moves() const { return moves_; }          // takes and gives

 private:
  // First fit.
  std::uint64_t take(std::uint64_t count, std::uint64_t wanted, std::uint64_t idle_pages) {
    for (auto run = free_.begin(); run != free_.end(); ++run) {
      const auto [first, length] = *run;
      const std::uint64_t address = wanted != 0 ? wanted : first;
      const std::uint64_t end = first + length * chunk_bytes;
      if (address < first || address + count * chunk_bytes > end || count > length) continue;
      free_.erase(run);
      if (address > first) free_[first] = (address - first) / chunk_bytes;
      const std::uint64_t rest = address + count * chunk_bytes;
      if (rest < end) free_[rest] = (end - rest) / chunk_bytes;
      taken_ += count;
      most_taken_ = std::max(most_taken_, taken_);
      ++moves_;
      if (idle_pages > 0) idle_[rest - chunk_bytes] = idle_pages;
      return address;
    }
    return 0;
  }

  void give(std::uint64_t address, std::uint64_t count) {
    ::madvise(reinterpret_cast<void*>(address), count * chunk_bytes, MADV_DONTNEED);  // zeros
    taken_ -= count;
    ++moves_;
    idle_.erase(idle_.lower_bound(address), idle_.lower_bound(address + count * chunk_bytes));
    auto after = free_.lower_bound(address);
    if (after != free_.end() && address + count * chunk_bytes == after->first) {
      count += after->second;
      after = free_.erase(after);
    }
    if (after != free_.begin())
      if (auto before = std::prev(after); before->first + before->second * chunk_bytes == address) {
        before->second += count;
        return;
      }
    free_[address] = count;
  }

  bool claim(std::uint64_t address) {
    if (!grants_claims_) return false;
    claims_ += idle_.erase(address);
    return true;
  }

  void* mapping_;
  std::uint64_t mapping_bytes_;
  std::map<std::uint64_t, std::uint64_t> free_;  // by address, chunks
  std::map<std::uint64_t, std::uint64_t> idle_;  // by address of the chunk, pages at its end
  std::uint64_t taken_ = 0, most_taken_ = 0, moves_ = 0, claims_ = 0;
  bool grants_claims_ = true;
};

}  // namespace gallocy::heap
