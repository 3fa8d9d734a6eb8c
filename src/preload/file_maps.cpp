#include "preload/file_maps.hpp"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "preload/ceiling.hpp"
#include "preload/pages.hpp"
#include "preload/protections.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constexpr std::size_t batch_bytes = std::size_t{1} << 20;

std::byte* bytes_at(std::uint64_t address) { return reinterpret_cast<std::byte*>(address); }

// Natively who touches a page that the kernel can't bring gets SIGBUS.
bool populate(std::uint64_t address, std::size_t size_bytes, int advice) {
  int status = 0;
  do status = ::madvise(bytes_at(address), size_bytes, advice);
  while (status != 0 && (errno == EINTR || errno == EAGAIN));
  return status == 0;
}
bool can_read(std::uint64_t address, std::size_t size_bytes) {
  return populate(address, size_bytes, MADV_POPULATE_READ);
}
bool can_write(std::uint64_t address, std::size_t size_bytes) {
  return populate(address, size_bytes, MADV_POPULATE_WRITE);
}

bool is_zero_device(const struct stat& known) {
  return S_ISCHR(known.st_mode) && known.st_rdev == makedev(1, 5);
}

// How many bytes can be had of the file from there on.
std::size_t readable_bytes(std::uint64_t address, std::size_t size_bytes) {
  const std::size_t batch = std::min(size_bytes, batch_bytes);
  if (can_read(address, batch)) return batch;
  std::size_t known = 0;
  while (known < batch && can_read(address + known, page_bytes)) known += page_bytes;
  return known;
}

using CopyPages = void(void* to, const void* from, std::size_t size_bytes);

// Returns how much there was; the rest lies behind the end of the file.
std::size_t copy_file(std::uint64_t to, std::uint64_t file, std::size_t size_bytes,
                      CopyPages* copy) {
  std::size_t done = 0;
  while (done < size_bytes) {
    const std::size_t got = readable_bytes(file + done, size_bytes - done);
    if (got == 0) break;
    copy(bytes_at(to + done), bytes_at(file + done), got);
    done += got;
  }
  return done;
}

void* map_anywhere(std::size_t size_bytes, int protection, int flags, int fd, off_t offset) {
  const client::Locked guard(g_anywhere);
  return ::mmap(nullptr, size_bytes, protection, flags, fd, offset);
}

// Of zeros.
int make_twin(Mapping& mapping) {
  if (::mprotect(bytes_at(mapping.file_address), mapping.size_bytes(), PROT_READ | PROT_WRITE) != 0)
    return errno;
  void* twin = map_anywhere(mapping.size_bytes(), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (twin == MAP_FAILED) return errno;
  mapping.twin_address = reinterpret_cast<std::uint64_t>(twin);
  return 0;
}

void tell_lost(int error) {
  client::say(Sentence("gallocy: what was stored in a shared map of a file can't be written to it: "
                       "error ", error, "\n"));
}

// The page's bytes may change under us: they are looked at once. Only those that differ from the
// twin are written.
void write_changed_bytes(std::byte* file, std::byte* twin, const std::byte* page) {
  std::byte now[page_bytes];
  ::memcpy(now, page, page_bytes);
  for (std::size_t begin = 0, end; begin < page_bytes; begin = end + 1) {
    for (end = begin; end < page_bytes && now[end] != twin[end];) ++end;
    if (begin == end) continue;
    ::memcpy(file + begin, now + begin, end - begin);
    ::memcpy(twin + begin, now + begin, end - begin);
  }
}

// Behind the end of the file, nothing is written: natively that would have been SIGBUS.
int write_page_back(const Mapping& mapping, std::uint64_t offset_bytes) {
  const std::byte* page = bytes_at(mapping.begin + offset_bytes);
  std::byte* twin = bytes_at(mapping.twin_address + offset_bytes);
  if (::memcmp(page, twin, page_bytes) == 0) return 0;
  const std::uint64_t file = mapping.file_address + offset_bytes;
  if (can_write(file, page_bytes)) return write_changed_bytes(bytes_at(file), twin, page), 0;
  return can_read(file, page_bytes) ? EIO : 0;
}

}  // namespace

int open_file_map(FileMap& map, std::size_t size_bytes, int protection, int flags, int fd,
                  off_t offset) {
  struct stat known {};
  void* made = map_anywhere(size_bytes, protection | PROT_READ, flags, fd, offset);
  if (made == MAP_FAILED) return errno;
  const bool is_known = ::fstat(fd, &known) == 0;  // not if another thread has closed it meanwhile
  const int error = errno;
  map = {reinterpret_cast<std::uint64_t>(made), known.st_dev, known.st_ino};
  if (is_known && S_ISREG(known.st_mode)) return 0;
  if (is_known && !is_zero_device(known)) refuse("a map of a device is not supported");
  close_file_map(map.address, size_bytes);
  map = {};
  return is_known ? 0 : error;
}

void close_file_map(std::uint64_t address, std::size_t size_bytes) {
  if (address != 0) ::munmap(bytes_at(address), size_bytes);
}

std::uint64_t resize_file_map(std::uint64_t address, std::size_t old_bytes,
                              std::size_t new_bytes) {
  const client::Locked guard(g_anywhere);
  void* moved = ::mremap(bytes_at(address), old_bytes, new_bytes, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? 0 : reinterpret_cast<std::uint64_t>(moved);
}

void read_file(const Mapping& mapping) {
  const Opened opened(mapping);
  const std::size_t got =
      copy_file(mapping.begin, mapping.file_address, mapping.size_bytes(), copy_pages);
  clear_pages({mapping.begin + got, mapping.end});
}

int read_new_file(Mapping& mapping, bool is_written_back) {
  const auto [file, size_bytes] = std::pair{mapping.file_address, mapping.size_bytes()};
  const Opened opened(mapping);
  if (!is_written_back) return copy_file(mapping.begin, file, size_bytes, copy_to_zeros), 0;
  if (const int error = make_twin(mapping); error != 0) return error;
  copy_file(mapping.twin_address, file, size_bytes, copy_to_zeros);
  copy_to_zeros(bytes_at(mapping.begin), bytes_at(mapping.twin_address), size_bytes);
  return 0;
}

int make_writable(Mapping& mapping) {
  if (mapping.twin_address != 0) return 0;
  if (const int error = make_twin(mapping); error != 0) return error;
  const Opened opened(mapping);
  copy_to_zeros(bytes_at(mapping.twin_address), bytes_at(mapping.begin), mapping.size_bytes());
  return 0;
}

int write_back(const Mapping& mapping, int flags) {
  if (mapping.twin_address == 0) return 0;
  const Opened opened(mapping);
  int error = 0;
  for (std::uint64_t offset = 0; offset < mapping.size_bytes(); offset += page_bytes)
    if (const int failed = write_page_back(mapping, offset); failed != 0) error = failed;
  if (error == 0 && (flags & MS_SYNC) != 0 &&
      ::msync(bytes_at(mapping.file_address), mapping.size_bytes(), MS_SYNC) != 0)
    error = errno;
  if (error != 0) tell_lost(error);
  return error;
}

void forget_file(Mapping& mapping) {
  close_file_map(mapping.file_address, mapping.size_bytes());
  close_file_map(mapping.twin_address, mapping.size_bytes());
  mapping.file_address = mapping.twin_address = 0;
}

void write_all_back() {
  const MappingsLock lock(all_mapping_tables());
  each_mapping([](Mapping& mapping, void*) { write_back(mapping, MS_ASYNC); }, nullptr);
}

void write_back_maps_of(dev_t device, ino_t inode) {
  struct File {
    dev_t device;
    ino_t inode;
  } file{device, inode};
  each_mapping(
      [](Mapping& mapping, void* given) {
        const auto& wanted = *static_cast<const File*>(given);
        if (mapping.device == wanted.device && mapping.inode == wanted.inode)
          write_back(mapping, MS_ASYNC);
      },
      &file);
}

}  // namespace gallocy::preload
