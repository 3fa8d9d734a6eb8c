#include "preload/arena.hpp"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/ids.hpp"
#include "ipc/rank_environment.hpp"

namespace gallocy::preload::arena {

namespace {

constexpr std::size_t header_bytes = 16;

constinit std::uint64_t g_begin = 0, g_next = 0, g_end = 0;

constexpr std::uint64_t aligned(std::uint64_t address, std::uint64_t alignment) {
  return (address + alignment - 1) / alignment * alignment;
}

bool open() {
  const char* text = ::getenv(ipc::rank_variable);
  const unsigned long rank = text != nullptr ? ::strtoul(text, nullptr, 10) : 64;
  if (rank >= 64) return false;
  const std::uint64_t wanted = base + rank * rank_stride_bytes;
  void* mapped = ::mmap(reinterpret_cast<void*>(wanted), size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (mapped == MAP_FAILED) return false;
  g_begin = g_next = wanted;
  g_end = wanted + size_bytes;
  return true;
}

}  // namespace

void* take(std::size_t size_bytes, std::size_t alignment_bytes) {
  if (g_begin == 0 && !open()) return nullptr;
  const std::uint64_t block =
      aligned(g_next + header_bytes, alignment_bytes < 16 ? 16 : alignment_bytes);
  if (block > g_end || size_bytes > g_end - block) return nullptr;
  reinterpret_cast<std::size_t*>(block)[-1] = size_bytes;
  g_next = aligned(block + size_bytes, 16);
  return reinterpret_cast<void*>(block);
}

std::size_t block_bytes(const void* block) { return static_cast<const std::size_t*>(block)[-1]; }

Used used() { return {g_begin, aligned(g_next - g_begin, page_bytes)}; }

}  // namespace gallocy::preload::arena
