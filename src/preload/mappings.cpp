// mmap and its kin, in threads of the program: anonymous memory and files that are only read are
// blocks of the region, so that all nodes see them. A range is never unmapped really: no foreign
// mapping shall lie there.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "client/memory.hpp"
#include "gallocy/gallocy.h"
#include "preload/forward.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(mmap)
GALLOCY_REAL(munmap)
GALLOCY_REAL(mremap)
GALLOCY_REAL(mprotect)
GALLOCY_REAL(madvise)
GALLOCY_REAL(sbrk)
GALLOCY_REAL(pread)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

void* failed(int error) {
  errno = error;
  return MAP_FAILED;
}

std::size_t whole_pages(std::size_t size_bytes) {
  return (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
}

// A block of many pages may be longer than was asked for. It has a page more, and what was asked
// for is kept in its last word, behind what the program sees.
constexpr std::size_t recorded_from_bytes = std::size_t{1} << 20;

std::size_t& recorded_bytes(void* block, std::size_t block_bytes) {
  return *reinterpret_cast<std::size_t*>(static_cast<std::byte*>(block) + block_bytes -
                                         sizeof(std::size_t));
}

void* take_pages(std::size_t size_bytes) {
  const bool is_recorded = size_bytes >= recorded_from_bytes;
  void* block = client::zeroed_pages(size_bytes + (is_recorded ? page_bytes : 0));
  if (block == nullptr) return say_no_room(size_bytes), nullptr;
  if (is_recorded) recorded_bytes(block, heap::block_bytes(block)) = size_bytes;
  return block;
}

// All of what take_pages() has made.
bool is_block_of(void* address, std::size_t size_bytes) {
  if (!client::in_region(address, 1)) return false;
  const std::size_t block_bytes = heap::block_bytes(address);
  return size_bytes == (block_bytes > recorded_from_bytes ? recorded_bytes(address, block_bytes)
                                                          : block_bytes);
}

// As much as the file has; the rest of the last page stays zero.
bool read_file(void* block, std::size_t size_bytes, int fd, off_t offset) {
  auto* next = static_cast<std::byte*>(block);
  while (size_bytes > 0) {
    const long got = is_away() ? call_on_first(real::pread.any(), fd, (long)(next),
                                               (long)(size_bytes), offset, 0, 0)
                               : real::pread(fd, next, size_bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    next += got;
    offset += got;
    size_bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

// In the place of what is there: the pages are shared already, so only their bytes change.
void* map_over(void* address, std::size_t size_bytes) {
  if (!is_shared(address) || !is_shared(static_cast<std::byte*>(address) + size_bytes - 1))
    refuse("mmap at a fixed address outside its own memory is not supported");
  return ::memset(address, 0, size_bytes);
}

void* map(void* address, std::size_t asked_bytes, int protection, int flags, int fd, off_t offset) {
  if (asked_bytes == 0) return failed(EINVAL);
  const bool is_file = (flags & MAP_ANONYMOUS) == 0;
  const bool is_shared_file = is_file && (flags & MAP_TYPE) != MAP_PRIVATE;
  if (is_shared_file && (protection & PROT_WRITE) != 0)
    refuse("a shared writable map of a file is not supported yet");
  if ((protection & PROT_EXEC) != 0) refuse("memory for code made at run time is not supported");
  const std::size_t size_bytes = whole_pages(asked_bytes);
  const bool is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  void* block = is_fixed ? map_over(address, size_bytes) : take_pages(size_bytes);
  if (block == nullptr) return failed(ENOMEM);
  if (!is_file || read_file(block, asked_bytes, fd, offset)) return block;
  const int error = errno;
  if (!is_fixed) gallocy_free(block);
  return failed(error == ESPIPE ? ENODEV : error);
}

}  // namespace

GALLOCY_TAKES void* mmap(void* address, size_t size_bytes, int protection, int flags, int fd,
                         off_t offset) noexcept {
  if (!is_application())
    return real::mmap(address, size_bytes, protection, flags, fd, offset);
  return map(address, size_bytes, protection, flags, fd, offset);
}
GALLOCY_TAKES void* mmap64(void* address, size_t size_bytes, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  return ::mmap(address, size_bytes, protection, flags, fd, offset);
}

// A part of a block stays, as zeros.
GALLOCY_TAKES int munmap(void* address, size_t size_bytes) noexcept {
  if (!is_served(address)) return real::munmap(address, size_bytes);
  if (is_block_of(address, whole_pages(size_bytes))) gallocy_free(address);
  else ::memset(address, 0, whole_pages(size_bytes));
  return 0;
}

GALLOCY_TAKES void* mremap(void* address, size_t old_bytes, size_t new_bytes, int flags,
                           ...) noexcept {
  if (!is_served(address)) return real::mremap(address, old_bytes, new_bytes, flags);
  if ((flags & ~MREMAP_MAYMOVE) != 0) return failed(ENOSYS);
  if (whole_pages(new_bytes) <= whole_pages(old_bytes)) return address;
  if ((flags & MREMAP_MAYMOVE) == 0) return failed(ENOMEM);
  void* moved = take_pages(whole_pages(new_bytes));
  if (moved == nullptr) return failed(ENOMEM);
  ::memcpy(moved, address, old_bytes);
  ::munmap(address, old_bytes);
  return moved;
}

GALLOCY_TAKES int mprotect(void* address, size_t size_bytes, int protection) noexcept {
  if (!is_served(address)) return real::mprotect(address, size_bytes, protection);
  if (protection == (PROT_READ | PROT_WRITE)) return 0;
  say_no_protection();
  errno = EACCES;
  return -1;
}

GALLOCY_TAKES int madvise(void* address, size_t size_bytes, int advice) noexcept {
  if (!is_served(address)) return real::madvise(address, size_bytes, advice);
  if (advice == MADV_DONTNEED) ::memset(address, 0, whole_pages(size_bytes));
  return 0;
}

GALLOCY_TAKES void* sbrk(intptr_t increment) noexcept {
  if (is_application() && increment != 0) refuse("sbrk in a program is not supported");
  return real::sbrk(increment);
}

// What the rooms below call.
extern "C" {
void* __wrap_mmap(void* address, size_t size_bytes, int protection, int flags, int fd,
                  off_t offset) {
  return real::mmap(address, size_bytes, protection, flags, fd, offset);
}
int __wrap_munmap(void* address, size_t size_bytes) { return real::munmap(address, size_bytes); }
int __wrap_mprotect(void* address, size_t size_bytes, int protection) {
  return real::mprotect(address, size_bytes, protection);
}
int __wrap_madvise(void* address, size_t size_bytes, int advice) {
  return real::madvise(address, size_bytes, advice);
}
}
