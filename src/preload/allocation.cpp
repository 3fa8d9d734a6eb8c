// The malloc family. Whoever calls it in a thread of the program, the C library and libstdc++
// included, gets memory of the region; threads of the runtime get the C library's own; and who
// calls it before the start gets the arena. free() and the rest decide by address.
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "gallocy/gallocy.h"
#include "preload/arena.hpp"
#include "preload/item.hpp"
#include "preload/protections.hpp"
#include "preload/put_off.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

// What glibc's malloc is called besides.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
}

GALLOCY_REAL(malloc_usable_size)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

bool in_region(const void* block) { return client::in_region(block, 1); }

void* or_no_memory(void* block) {
  if (block == nullptr) errno = ENOMEM;
  return block;
}

// Of the job's memory.
void* or_no_room(void* block, std::size_t size_bytes) {
  if (block == nullptr) say_no_room(size_bytes);
  return or_no_memory(block);
}

thread_local constinit unsigned t_for_runtime_count = 0;

void* allocate_of_job(std::size_t size_bytes) {
  void* block = gallocy_malloc(size_bytes);
  if (block == nullptr && t_for_runtime_count > 0) block = client::runtime_block(size_bytes);
  return or_no_room(block, size_bytes);
}

void* allocate(std::size_t size_bytes) {
  if (t_putting_off != nullptr) [[unlikely]]
    t_putting_off->on_allocation();
  if (is_application()) return allocate_of_job(size_bytes);
  return is_early() ? or_no_memory(arena::take(size_bytes)) : __libc_malloc(size_bytes);
}

void* allocate_aligned(std::size_t alignment_bytes, std::size_t size_bytes) {
  // As glibc does: memalign takes any number, and means the next power of two.
  const std::size_t alignment = std::bit_ceil(std::max<std::size_t>(alignment_bytes, 16));
  if (is_application()) return or_no_room(gallocy_memalign(alignment, size_bytes), size_bytes);
  return is_early() ? or_no_memory(arena::take(size_bytes, alignment))
                      : __libc_memalign(alignment, size_bytes);
}

// What is of the arena or another allocator's can't grow where it is.
void* move_block(void* block, std::size_t known_bytes, std::size_t size_bytes) {
  void* moved = allocate(size_bytes);
  if (moved == nullptr) return nullptr;
  ::memcpy(moved, block, std::min(known_bytes, size_bytes));
  ::free(block);
  return moved;
}

}  // namespace

ForRuntime::ForRuntime() { ++t_for_runtime_count; }
ForRuntime::~ForRuntime() { --t_for_runtime_count; }

GALLOCY_TAKES void* malloc(size_t size_bytes) noexcept { return allocate(size_bytes); }

GALLOCY_TAKES void free(void* block) noexcept {
  if (block == nullptr || arena::contains(block)) return;
  if (in_region(block)) return open_block(block), gallocy_free(block);
  __libc_free(block);
}

GALLOCY_TAKES void* calloc(size_t count, size_t size_bytes) noexcept {
  if (t_putting_off != nullptr) [[unlikely]]
    t_putting_off->on_allocation();
  if (!is_application() && !is_early()) return __libc_calloc(count, size_bytes);
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(count, size_bytes, &all_bytes)) return or_no_memory(nullptr);
  if (is_application()) return or_no_room(gallocy_calloc(count, size_bytes), all_bytes);
  return or_no_memory(arena::take(all_bytes));
}

// As in glibc: of 0 bytes it frees.
GALLOCY_TAKES void* realloc(void* block, size_t size_bytes) noexcept {
  if (block == nullptr) return allocate(size_bytes);
  if (size_bytes == 0) return ::free(block), nullptr;
  if (arena::contains(block)) return move_block(block, arena::block_bytes(block), size_bytes);
  if (in_region(block))
    return open_block(block), or_no_room(gallocy_realloc(block, size_bytes), size_bytes);
  if (is_application())
    return move_block(block, real::malloc_usable_size(block), size_bytes);
  return __libc_realloc(block, size_bytes);
}

GALLOCY_TAKES void* reallocarray(void* block, size_t count, size_t size_bytes) noexcept {
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(count, size_bytes, &all_bytes)) return or_no_memory(nullptr);
  return ::realloc(block, all_bytes);
}

GALLOCY_TAKES void* memalign(size_t alignment_bytes, size_t size_bytes) noexcept {
  return allocate_aligned(alignment_bytes, size_bytes);
}

GALLOCY_TAKES void* aligned_alloc(size_t alignment_bytes, size_t size_bytes) noexcept {
  return allocate_aligned(alignment_bytes, size_bytes);
}

GALLOCY_TAKES void* valloc(size_t size_bytes) noexcept {
  return allocate_aligned(page_bytes, size_bytes);
}

GALLOCY_TAKES void* pvalloc(size_t size_bytes) noexcept {
  return allocate_aligned(page_bytes, (size_bytes + page_bytes - 1) / page_bytes * page_bytes);
}

GALLOCY_TAKES int posix_memalign(void** block, size_t alignment_bytes, size_t size_bytes) noexcept {
  if (!std::has_single_bit(alignment_bytes) || alignment_bytes % sizeof(void*) != 0) return EINVAL;
  const int saved_errno = errno;
  void* made = allocate_aligned(alignment_bytes, size_bytes);
  errno = saved_errno;
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

GALLOCY_TAKES size_t malloc_usable_size(void* block) noexcept {
  if (block == nullptr) return 0;
  if (arena::contains(block)) return arena::block_bytes(block);
  return in_region(block) ? gallocy_malloc_usable_size(block) : real::malloc_usable_size(block);
}
