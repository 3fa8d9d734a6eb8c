// The daemon's side of shared page memory: a sealed memfd and the daemon's own view of it.
//
// The view (alias) is not registered with any userfaultfd, so reading or writing a frame never
// waits for a page. It also ignores write protection: the daemon touches only frames that the
// page table says are its to touch.
//
// Thread safety: everything but moving and destroying may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace gallocy::uffd {

class PageMemory {
 public:
  // Makes a memfd of size_bytes (a multiple of page_bytes, not 0), seals its size and maps it.
  // Sparse: it costs nothing until frames are touched. The seals (shrink, grow, seal) are what
  // makes it safe to hand the fd to a client: a client that could truncate the file would kill
  // the daemon with SIGBUS. `name` shows up in /proc/<pid>/maps.
  // Errors: EINVAL for a bad size, else the errno of the call that failed. Does not block.
  static Result<PageMemory> create(const char* name, std::uint64_t size_bytes);

  PageMemory(PageMemory&& other) noexcept;
  PageMemory& operator=(PageMemory&& other) noexcept;
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;
  ~PageMemory();

  // The daemon's address of a page's bytes. Touching an absent frame fills it with zeros, after
  // which clients that fault on it see a minor fault, not a missing one. REQUIRES: in range.
  std::byte* frame(PageNo page) const;

  // Gives frames back: they vanish from this view and from every client's at once, and the next
  // access of a client is a missing fault. What the kernel remembers of the empty place stays:
  // a poisoned page stays poisoned, and a protection does no harm to an install, which says its
  // mode, but is in the way of a poison. Works on the file, not on a client's address space, so no
  // client can stall it (kernel facts: under 0.2 ms beside an mmap storm). Data still in use
  // elsewhere by a pin (O_DIRECT, io_uring send) is detached, not protected. REQUIRES: in range.
  Status drop(PageNo first, std::uint64_t page_count) const;

  // How many frames there are; the rest of the size costs nothing. One fstat.
  std::uint64_t resident_page_count() const;

  int fd() const { return fd_.get(); }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t page_count() const { return size_bytes_ / page_bytes; }

 private:
  PageMemory(UniqueFd fd, std::byte* alias, std::uint64_t size_bytes);
  void unmap();

  UniqueFd fd_;
  std::byte* alias_ = nullptr;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace gallocy::uffd
