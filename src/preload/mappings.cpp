// mmap and its kin, in threads of the program: blocks of the region, so that all nodes see them.
// A range is never unmapped really: no foreign mapping shall lie there.
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/process.hpp"
#include "preload/early_maps.hpp"
#include "preload/mapped.hpp"
#include "preload/protections.hpp"
#include "preload/real.hpp"
#include "preload/refused.hpp"
#include "preload/remap.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(mmap)
GALLOCY_REAL(munmap)
GALLOCY_REAL(mremap)
GALLOCY_REAL(mprotect)
GALLOCY_REAL(madvise)
GALLOCY_REAL(msync)
GALLOCY_REAL(mincore)
GALLOCY_REAL(sbrk)
GALLOCY_REAL(_exit)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

// ---- mmap --------------------------------------------------------------------------------

struct Asked {
  std::uint64_t address;
  std::size_t size_bytes;  // as it was given
  int protection, flags, fd;
  off_t offset;

  bool is_file() const { return (flags & MAP_ANONYMOUS) == 0; }
  bool is_shared() const { return (flags & MAP_TYPE) != MAP_PRIVATE; }
  // Addresses rather than memory: the kernel counts neither. What is small shares a chunk.
  bool is_sparse() const {
    return size_bytes >= chunk_bytes && ((flags & MAP_NORESERVE) != 0 || protection == PROT_NONE);
  }
  bool is_fixed() const { return (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0; }
};

// As the kernel has it.
int check_anonymous(const Asked& asked) {
  const int type = asked.flags & MAP_TYPE;
  if (asked.size_bytes == 0 || (type != MAP_PRIVATE && type != MAP_SHARED)) return EINVAL;
  if (!is_at_page(static_cast<std::uint64_t>(asked.offset))) return EINVAL;
  Range range{};
  return read_range(0, asked.size_bytes, range) ? 0 : ENOMEM;
}

// What the kernel has to judge. Under MAP_SHARED_VALIDATE it refuses flags that it does not know,
// which are those that it did not know before there was that.
int judged_flags(int flags) {
  constexpr int known_before = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |
                               MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |
                               MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT |
                               0x80 /* MAP_ABOVE4G */ | (21 | 30) << 26 /* huge pages' sizes */;
  const bool validates = (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
  return flags & (MAP_TYPE | MAP_NORESERVE | MAP_SYNC | (validates ? ~known_before : 0));
}

int open_contents(const Asked& asked, Contents& contents) {
  contents.is_shared = asked.is_shared();
  contents.is_written_back = asked.is_shared() && (asked.protection & PROT_WRITE) != 0;
  contents.offset = asked.offset;
  if (!asked.is_file()) return check_anonymous(asked);
  const int protection = asked.is_shared() ? asked.protection : PROT_READ;
  const int flags = judged_flags(asked.flags);
  int error = 0;
  at_first([&] {
    error = open_file_map(contents.file, asked.size_bytes, protection, flags, asked.fd,
                          asked.offset);
    if (error == 0) write_back_maps_of(contents.file.device, contents.file.inode);
  });
  return error;
}

void close_contents(const Contents& contents, std::size_t size_bytes) {
  if (!contents.is_file()) return;
  at_first([&] { close_file_map(contents.file.address, size_bytes); });
}

// Whether there is nothing: 0, or EEXIST.
int check_is_free(Range range) {
  if (is_unmapped(range)) return 0;
  if (client::in_region(range.pointer(), 1)) return EEXIST;
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* there = real::mmap(range.pointer(), range.size_bytes(), PROT_NONE, flags, -1, 0);
  if (there == MAP_FAILED) return errno;
  real::munmap(there, range.size_bytes());
  refuse("mmap at a fixed address outside its own memory is not supported");
}

int map_there(const Asked& asked, const Contents& contents, std::uint64_t& address) {
  Range range{};
  if (!is_at_page(asked.address)) return EINVAL;
  if (!read_range(asked.address, asked.size_bytes, range)) return ENOMEM;
  const int error = (asked.flags & MAP_FIXED_NOREPLACE) != 0 ? check_is_free(range) : 0;
  if (error != 0) return error;
  empty(range);
  if (contents.is_shared && contents.is_file()) {
    const SameFile same = same_file(contents.file, contents.offset, range.size_bytes());
    if (same.count > 0) refuse_overlap();
  }
  place(range, contents);
  address = range.begin;
  const int failed = read_contents(range, contents);
  return failed != 0 ? failed : protect_pages(range, bits_of(asked.protection));
}

void add_block(Range block, const Contents& contents) {
  add_mapping(of_block(block, block, 1));
  place(block, contents);
}

int map_memory(const Asked& asked, std::uint64_t& address) {
  if (const int error = check_anonymous(asked); error != 0) return error;
  const std::size_t size_bytes = page_up(asked.size_bytes);
  const Range block = asked.is_sparse() ? take_sparse_block(size_bytes) : take_block(size_bytes);
  if (block.size_bytes() == 0) return ENOMEM;
  const MappingsLock lock(own_mapping_table());
  Contents contents;
  contents.is_shared = asked.is_shared();
  add_block(block, contents);
  address = block.begin;
  const int error = protect_pages(block, bits_of(asked.protection));
  if (error != 0) unmap(block);
  return error;
}

int map_file(const Asked& asked, const Contents& contents, std::uint64_t& address) {
  const std::size_t size_bytes = page_up(asked.size_bytes);
  if (contents.is_shared && contents.is_file()) {
    const SameFile same = same_file(contents.file, contents.offset, size_bytes);
    if (same.containing != nullptr)
      return map_again(same, contents, bits_of(asked.protection), address);
    if (same.count > 0 && (same.is_writable || contents.is_written_back)) refuse_overlap();
  }
  const Range block = take_block(size_bytes);
  if (block.size_bytes() == 0) return ENOMEM;
  add_block(block, contents);
  address = block.begin;
  int error = read_contents(block, contents);
  if (error == 0) error = protect_pages(block, bits_of(asked.protection));
  if (error != 0) unmap(block);
  return error;
}

int map(const Asked& asked, std::uint64_t& address) {
  const client::ErrnoKeeper keeper;
  if ((asked.protection & PROT_EXEC) != 0)
    refuse("memory for code made at run time is not supported");
  if ((asked.flags & MAP_32BIT) != 0) refuse("a map below 4 GiB is not supported");
  if (!asked.is_fixed() && !asked.is_file()) return map_memory(asked, address);
  const MappingsLock lock(all_mapping_tables());
  Contents contents;
  if (const int error = open_contents(asked, contents); error != 0) return error;
  const int error = asked.is_fixed() ? map_there(asked, contents, address)
                                     : map_file(asked, contents, address);
  // Once it has been placed, it is closed with its mapping.
  if (error != 0 && address == 0) close_contents(contents, page_up(asked.size_bytes));
  return error;
}

// ---- munmap, mprotect, madvise, msync, mincore -----------------------------------

int unmap_pages(std::uint64_t address, std::size_t size_bytes) {
  Range range{};
  if (!is_at_page(address) || size_bytes == 0) return EINVAL;
  if (!read_range(address, size_bytes, range)) return EINVAL;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(mapping_tables_of(range));
  return unmap(range);
}

// A shared map of a file that becomes writable.
int make_part_writable(Range part, Mapping& mapping) {
  if (!mapping.is_file() || !mapping.is_shared || mapping.twin_address != 0) return 0;
  split_at_ends(part);
  Mapping& whole = *first_mapping(part.begin, part.end);
  const FileMap file{whole.file_address, whole.device, whole.inode};
  if (same_file(file, whole.offset, whole.size_bytes()).count > 1) refuse_overlap();
  int error = 0;
  at_first([&] { error = make_writable(whole); });
  return error;
}

// If that becomes writable, other maps of the file are looked at.
bool has_shared_file(Range range) {
  const MappingsLock lock(mapping_tables_of(range));
  return !all_of(range, [](Range, const Mapping* mapping) {
    return mapping == nullptr || !mapping->is_file() || !mapping->is_shared;
  });
}

int protect(std::uint64_t address, std::size_t size_bytes, int protection) {
  constexpr int known = PROT_READ | PROT_WRITE | PROT_EXEC | 8;  // and PROT_SEM, which does nothing
  Range range{};
  if (!is_at_page(address) || (protection & ~known) != 0) return EINVAL;
  if (!read_range(address, size_bytes, range)) return ENOMEM;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(has_shared_file(range) ? all_mapping_tables()
                                                  : mapping_tables_of(range));
  if (!is_mapped(range)) return ENOMEM;
  if ((protection & PROT_EXEC) != 0) return say_no_code(), EACCES;
  int error = 0;
  if ((protection & PROT_WRITE) != 0)
    all_of(range, [&](Range part, Mapping* mapping) {
      if (mapping != nullptr) error = make_part_writable(part, *mapping);
      return error == 0;
    });
  return error != 0 ? error : protect_pages(range, bits_of(protection));
}

// Private pages are as new: zeros, or the file's bytes.
void drop(Range part, const Mapping* mapping) {
  if (mapping == nullptr || !mapping->is_file()) return clear_mapped(part);
  at_first([&] { read_file(part_of(*mapping, part.begin, part.end)); });
}

int advise_part(Range part, const Mapping* mapping, int advice) {
  const bool is_shared = mapping != nullptr && mapping->is_shared;
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
      if (!is_shared) drop(part, mapping);
      return 0;
    case MADV_REMOVE:  // of a file, the zeros are written back
      if (!is_shared) return EINVAL;
      return clear_mapped(part), 0;
    default:
      return 0;
  }
}

int advise(std::uint64_t address, std::size_t size_bytes, int advice) {
  constexpr int last_known_advice = 25;  // MADV_COLLAPSE, which headers may not know
  const bool is_known = (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) ||
                        (advice >= MADV_FREE && advice <= last_known_advice);
  Range range{};
  if (!is_at_page(address) || !is_known || !read_range(address, size_bytes, range)) return EINVAL;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(mapping_tables_of(range));
  int error = 0;
  all_of(range, [&](Range part, const Mapping* mapping) {
    if (is_mapped(part)) error = advise_part(part, mapping, advice);
    return error == 0;
  });
  if (error != 0) return error;
  return is_mapped(range) ? 0 : ENOMEM;  // what is mapped is advised
}

int synchronise(std::uint64_t address, std::size_t size_bytes, int flags) {
  constexpr int both = MS_ASYNC | MS_SYNC;
  Range range{};
  if (!is_at_page(address) || (flags & ~(both | MS_INVALIDATE)) != 0 || (flags & both) == both)
    return EINVAL;
  if (!read_range(address, size_bytes, range)) return ENOMEM;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(mapping_tables_of(range));
  int error = 0;
  all_of(range, [&](Range part, const Mapping* mapping) {
    if (mapping != nullptr && mapping->twin_address != 0)
      at_first([&] { error = write_back(part_of(*mapping, part.begin, part.end), flags); });
    return error == 0;
  });
  if (error != 0) return error;
  return is_mapped(range) ? 0 : ENOMEM;
}

int residence(std::uint64_t address, std::size_t size_bytes, unsigned char* pages) {
  Range range{};
  if (!is_at_page(address)) return EINVAL;
  if (!read_range(address, size_bytes, range)) return ENOMEM;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(mapping_tables_of(range));
  if (!is_mapped(range)) return ENOMEM;
  ::memset(pages, 1, range.size_bytes() / page_bytes);
  return 0;
}

[[noreturn]] void end_process(int status) {
  write_all_back();
  real::_exit(status);
  __builtin_unreachable();
}

// Of what the kernel has mapped.
Range range_of(const void* address, std::size_t size_bytes) {
  return {heap::address_of(address), page_up(heap::address_of(address) + size_bytes)};
}

int returned(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

void* returned(int error, std::uint64_t address) {
  if (error == 0) return reinterpret_cast<void*>(address);
  errno = error;
  return MAP_FAILED;
}

}  // namespace

GALLOCY_TAKES void* mmap(void* address, size_t size_bytes, int protection, int flags, int fd,
                         off_t offset) noexcept {
  if (is_application()) {
    std::uint64_t mapped = 0;
    const int error = map({heap::address_of(address), size_bytes, protection, flags, fd, offset},
                          mapped);
    return returned(error, mapped);
  }
  if (is_early() && address == nullptr && size_bytes != 0) address = early_address(size_bytes);
  void* mapped = real::mmap(address, size_bytes, protection, flags, fd, offset);
  if (is_early() && mapped != MAP_FAILED)
    note_early_map(range_of(mapped, size_bytes),
                   (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) == 0 && (protection & PROT_WRITE) != 0);
  return mapped;
}
GALLOCY_TAKES void* mmap64(void* address, size_t size_bytes, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  return ::mmap(address, size_bytes, protection, flags, fd, offset);
}

GALLOCY_TAKES int munmap(void* address, size_t size_bytes) noexcept {
  if (is_served(address)) return returned(unmap_pages(heap::address_of(address), size_bytes));
  const int status = real::munmap(address, size_bytes);
  if (is_early() && status == 0)
    forget_early_map(range_of(address, size_bytes));
  return status;
}

GALLOCY_TAKES void* mremap(void* address, size_t old_bytes, size_t new_bytes, int flags,
                           ...) noexcept {
  void* new_address = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list list;
    va_start(list, flags);
    new_address = va_arg(list, void*);
    va_end(list);
  }
  if (is_served(address)) {
    std::uint64_t mapped = 0;
    const int error = remap({heap::address_of(address), old_bytes, new_bytes, flags,
                             heap::address_of(new_address)}, mapped);
    return returned(error, mapped);
  }
  const bool moves = (flags & (MREMAP_MAYMOVE | MREMAP_FIXED)) == MREMAP_MAYMOVE &&
                     (new_bytes > old_bytes || (flags & MREMAP_DONTUNMAP) != 0);
  if (is_early() && moves) {
    flags |= MREMAP_FIXED;
    new_address = early_address(new_bytes);
  }
  void* mapped = real::mremap(address, old_bytes, new_bytes, flags, new_address);
  if (is_early() && mapped != MAP_FAILED) {
    forget_early_map(range_of(address, old_bytes));
    note_early_map(range_of(mapped, new_bytes), false);
  }
  return mapped;
}

GALLOCY_TAKES int mprotect(void* address, size_t size_bytes, int protection) noexcept {
  if (!is_served(address)) return real::mprotect(address, size_bytes, protection);
  return returned(protect(heap::address_of(address), size_bytes, protection));
}

GALLOCY_TAKES int madvise(void* address, size_t size_bytes, int advice) noexcept {
  if (!is_served(address)) return real::madvise(address, size_bytes, advice);
  return returned(advise(heap::address_of(address), size_bytes, advice));
}

GALLOCY_TAKES int msync(void* address, size_t size_bytes, int flags) {
  if (!is_served(address)) return real::msync(address, size_bytes, flags);
  return returned(synchronise(heap::address_of(address), size_bytes, flags));
}

GALLOCY_TAKES int mincore(void* address, size_t size_bytes, unsigned char* pages) noexcept {
  if (!is_served(address)) return real::mincore(address, size_bytes, pages);
  return returned(residence(heap::address_of(address), size_bytes, pages));
}

// No handlers are called, but what was stored in maps of files is in the files natively.
GALLOCY_TAKES void _exit(int status) {
  if (is_application() && !is_child()) at_first([=] { end_process(status); });
  real::_exit(status);
  __builtin_unreachable();
}
GALLOCY_TAKES void _Exit(int status) noexcept { ::_exit(status); }

GALLOCY_TAKES void* sbrk(intptr_t increment) noexcept {
  if (is_application() && increment != 0) refuse("sbrk in a program is not supported");
  return real::sbrk(increment);
}

// What the rooms below call.
extern "C" {
void __wrap__exit(int status) {
  real::_exit(status);
  __builtin_unreachable();
}
void* __wrap_mmap(void* address, size_t size_bytes, int protection, int flags, int fd,
                  off_t offset) {
  return real::mmap(address, size_bytes, protection, flags, fd, offset);
}
int __wrap_munmap(void* address, size_t size_bytes) { return real::munmap(address, size_bytes); }
void* __wrap_mremap(void* address, size_t old_bytes, size_t new_bytes, int flags) {
  return real::mremap(address, old_bytes, new_bytes, flags);
}
int __wrap_mprotect(void* address, size_t size_bytes, int protection) {
  return real::mprotect(address, size_bytes, protection);
}
int __wrap_madvise(void* address, size_t size_bytes, int advice) {
  return real::madvise(address, size_bytes, advice);
}
int __wrap_msync(void* address, size_t size_bytes, int flags) {
  return real::msync(address, size_bytes, flags);
}
}
