// Pages of the region at other addresses of this process, where the program expects its own data:
// what ipc/window.hpp calls windows. Daemons and other ranks know own addresses only, so whatever
// address goes out of the process is translated here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "client/process.hpp"

namespace gallocy::client {

// From its return on, the pages whose own addresses begin at own_address are seen at `address`,
// and there only: an access at their own addresses is SIGSEGV. All three are multiples of
// page_bytes; the pages were handed out to this job, to whichever rank, and may be in any state.
// Other ranks see them where they did, until they map windows for themselves.
//
// REQUIRES: no thread of this process touches the addresses of either run during the call. What
// was mapped at `address` goes. A call that fails later than by its arguments may leave nothing at
// either address: the process has to end then. Windows stay until gallocy_finalize(); blocks of
// gallocy_malloc in one must not be freed.
//
// Errors: EPERM outside a job; EINVAL and ENOSPC as for ipc::Operation::window, before anything is
// touched; what mmap, mprotect and UFFDIO_REGISTER give. Any thread; allocates nothing; not a
// cancellation point.
Status map_window(std::uint64_t address, std::size_t size_bytes, std::uint64_t own_address);

// The address in the region of what a window shows there; an address outside windows is its own.
// Any thread, also in a signal handler; no lock, no allocation.
std::uint64_t own_address_in_window(std::uint64_t address);
inline std::uint64_t own_address_of(std::uint64_t address) {
  return address - process.region_address < process.region_size_bytes
             ? address
             : own_address_in_window(address);
}

// As much of that run as lies side by side in the region, too.
struct OwnRun {
  std::uint64_t address;
  std::size_t size_bytes;
};
OwnRun own_run_of(std::uint64_t address, std::size_t size_bytes);

// When the process leaves its job: without a userfaultfd, absent pages would read as zeros.
void unmap_windows();

}  // namespace gallocy::client
