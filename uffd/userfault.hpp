// The daemon's handle on one client's address space: reads its page faults and answers them.
//
// The userfaultfd belongs to the address space of the process that made it (uffd/region.hpp);
// any process that holds it may register, install, protect and wake.
//
// Addresses are those of the client, multiples of page_bytes; counts are pages of 4 KiB. No
// method blocks for a page; each may wait for the client's mmap lock, which a hostile client
// can hold for long (5 s in an mmap storm), so a job's ioctls run on that job's thread only.
//
// Thread safety: everything but moving and destroying may be called from any thread.
//
// Invariants: the fd is a userfaultfd, initialised here and by nobody else, with the features
// that adopt() was given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "uffd/fault.hpp"
#include "uffd/features.hpp"
#include "uffd/outcome.hpp"

namespace gallocy::uffd {

enum class Mode : std::uint8_t { read_only, writable };

// Whether an installing ioctl wakes the threads that wait for the range. `later` is for a
// caller that ends a batch with one wake().
enum class Wake : std::uint8_t { now, later };

enum class ReadState : std::uint8_t {
  faults,       // count > 0
  would_block,  // nothing there
  closed,       // the fd is of no more use (code says why): drop the client
};

struct ReadOutcome {
  ReadState state;
  std::size_t count;
  int code;
};

class UserFault {
 public:
  // Takes over a userfaultfd that came from a client, which may have sent anything: it must be
  // one, and fresh. Makes it non-blocking. Errors: EBADF for another kind of file, EBUSY for
  // one initialised before, EOPNOTSUPP naming the features that the kernel lacks. Needs /proc.
  static Result<UserFault> adopt(UniqueFd fd, std::uint64_t features = needed_features);

  // From now on missing, minor and write-protect faults of the range are ours. REQUIRES: the
  // client has mapped it and nobody has touched it. Errors: EINVAL not mapped so, EBUSY
  // registered with another userfaultfd, ENOMEM no memory or (the kernel's word here, where the
  // other ioctls say ESRCH) the process is gone, EOPNOTSUPP if the kernel cannot do all our
  // ioctls on the range.
  Status register_range(std::uint64_t address, std::uint64_t size_bytes) const;

  // The range is plain shared memory again, and all who wait in it wake.
  Status unregister_range(std::uint64_t address, std::uint64_t size_bytes) const;

  // UFFDIO_COPY: fills absent pages from `source` (page_count x 4096 bytes of our memory) and
  // wakes. Stops at the first page that cannot be filled.
  RangeResult<InstallOutcome> copy(std::uint64_t address, const void* source, Mode mode,
                                   std::uint64_t page_count = 1) const;

  // UFFDIO_ZEROPAGE: fills an absent page with zeros, writable. There is no protected form.
  RangeResult<InstallOutcome> zero_writable(std::uint64_t address) const;

  // The protected form, by copying a page of zeros.
  RangeResult<InstallOutcome> zero_read_only(std::uint64_t address) const;

  // UFFDIO_CONTINUE: maps frames that the page memory holds. The mode is always passed to the
  // kernel, which would otherwise map writable even what was protected.
  RangeResult<MapOutcome> map_present(std::uint64_t address, Mode mode,
                                      std::uint64_t page_count = 1,
                                      Wake waking = Wake::now) const;

  // UFFDIO_WRITEPROTECT, all or nothing. When protect() returns no store is in flight: the
  // kernel has flushed every CPU's translation. unprotect() wakes the writers that wait. Of a
  // hole, protect() leaves a mark, as does a drop of a protected page, and unprotect() removes it.
  RangeResult<ProtectOutcome> protect(std::uint64_t address, std::uint64_t page_count = 1) const;
  RangeResult<ProtectOutcome> unprotect(std::uint64_t address, std::uint64_t page_count = 1,
                                        Wake waking = Wake::now) const;

  // UFFDIO_POISON: an access of the absent page becomes SIGBUS, or EFAULT inside a system call,
  // in this client only. Wakes those who wait, to that fate. Survives PageMemory::drop; ends
  // when a page is installed over it. The mark of a protection is in its way.
  RangeResult<PoisonOutcome> poison(std::uint64_t address) const;

  // UFFDIO_WAKE: those who wait in the range try again (and fault again if they must).
  RangeResult<WakeOutcome> wake(std::uint64_t address, std::uint64_t page_count = 1) const;

  // One read of at most max_faults_per_read messages into `out` (not empty). Never waits, even
  // if the client, which shares the file's flags, has cleared O_NONBLOCK.
  ReadOutcome read_faults(std::span<Fault> out) const;

  // False if the client cleared O_NONBLOCK behind our back: poll then says POLLERR only, and
  // the client is to be dropped.
  bool nonblocking() const;

  int fd() const { return fd_.get(); }

 private:
  UserFault(UniqueFd fd, bool reads_nowait) : fd_(std::move(fd)), reads_nowait_(reads_nowait) {}
  RangeResult<ProtectOutcome> write_protect(std::uint64_t address, std::uint64_t page_count,
                                            std::uint64_t mode) const;

  UniqueFd fd_;
  bool reads_nowait_;  // the kernel takes RWF_NOWAIT on a userfaultfd (6.10 and newer)
};

}  // namespace gallocy::uffd
