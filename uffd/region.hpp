// What a client does with the kernel's page service: map the job's region, and make a
// userfaultfd for its own address space to hand to the daemon.
//
// This file's code also runs inside the application: it allocates nothing, throws nothing and
// needs libc only.
//
// Order, everywhere (kernel facts): the daemon fills the page memory, the client maps it, the
// daemon registers the range, and only then is the range announced. Before registration an
// absent page reads as zeros and fills the hole, unnoticed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace gallocy::uffd {

inline constexpr const char* device_path = "/dev/userfaultfd";

enum class Existing : std::uint8_t { refused, replaced };

// A mapped piece of the region. Unmaps when destroyed, unless released.
// Thread safety: the accessors from any thread; moving, unmap and release by the owner.
class Region {
 public:
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region() { unmap(); }

  std::uint64_t address() const { return address_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::byte* data() const { return reinterpret_cast<std::byte*>(address_); }

  // Unmaps now; a second call does nothing. The registration goes with the mapping. A thread
  // parked in a fault of the range stays parked until somebody wakes it, then gets SIGSEGV (or
  // EFAULT inside a system call).
  void unmap();

  // Leaves the mapping in place for the rest of the process's life.
  void release() { size_bytes_ = 0; }

  // Lets the process access what map_closed() has mapped.
  Status open() const;

 private:
  friend Result<Region> map_closed(int, std::uint64_t, std::uint64_t, PageNo, Existing);
  Region(std::uint64_t address, std::uint64_t size_bytes)
      : address_(address), size_bytes_(size_bytes) {}

  std::uint64_t address_ = 0;
  std::uint64_t size_bytes_ = 0;  // 0: nothing mapped
};

// Maps size_bytes of the job's page memory, from first_page on, at exactly `address` (both
// multiples of page_bytes), readable and writable. Never replaces an existing mapping.
//
// The mapping is MADV_DONTFORK: a plain child would inherit it shared but unregistered, and
// would then read zeros for absent pages, fill their holes for everybody, and write protected
// pages unnoticed. With it the child has no mapping and dies loudly with SIGSEGV. It is also
// MADV_DONTDUMP: a core dump would fetch every page of the job.
//
// Errors: EEXIST if something lies in the range, else mmap's or madvise's. Does not block.
Result<Region> map_region(int memfd, std::uint64_t address, std::uint64_t size_bytes,
                          PageNo first_page = PageNo{0});

// The same, inaccessible (SIGSEGV, or EFAULT inside a system call) until it is opened: for a range
// that others in the process may touch before it is registered. With Existing::replaced, whatever
// is mapped there goes, also if this fails; the same memory may then be mapped twice in the
// process, and what is done to it by page ioctls holds at the one address only.
Result<Region> map_closed(int memfd, std::uint64_t address, std::uint64_t size_bytes,
                          PageNo first_page, Existing existing);

// Opens the device that makes userfaultfds able to resolve faults inside system calls. Access
// is checked here only: the daemon opens, and an unprivileged client may use the fd. There is
// deliberately no fall-back to userfaultfd(2) with UFFD_USER_MODE_ONLY: with it read(2) into an
// absent page fails with EFAULT, and programs break in odd places.
// Errors: EACCES, EPERM, ENOENT with the remedy in the sentence. `path` is for tests.
Result<UniqueFd> open_device(const char* path = device_path);

// Makes a userfaultfd (close-on-exec, non-blocking, not yet initialised) for the calling
// process's address space, whoever opened the device. The caller keeps a duplicate for as long
// as it lives: when the last reference closes, absent pages silently read as zeros.
// Errors: the ioctl's errno. Does not block.
Result<UniqueFd> create_from_device(int device_fd);

}  // namespace gallocy::uffd
