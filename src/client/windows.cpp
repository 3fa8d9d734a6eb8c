#include "client/windows.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <span>

#include "client/process.hpp"
#include "ipc/window.hpp"
#include "uffd/region.hpp"

namespace gallocy::client {

namespace {

// Grows at its end only, so that it is read without a lock: who has seen the count sees the
// entries. A program has some tens of them (one for the writable data of each library), and they
// are looked at for addresses outside the region only.
constinit ipc::Window g_windows[ipc::window_count_max];
constinit std::atomic<std::uint32_t> g_window_count = 0;
constinit FutexLock g_lock;  // of who adds one

std::span<const ipc::Window> windows() {
  return {g_windows, g_window_count.load(std::memory_order_acquire)};
}

void* pointer_to(std::uint64_t address) { return reinterpret_cast<void*>(address); }

const ipc::Window* window_at(std::uint64_t address) {
  if (in_region(pointer_to(address), 1)) return nullptr;
  for (const ipc::Window& window : windows())
    if (address - window.address < window.size_bytes) return &window;
  return nullptr;
}

// What the daemon checks as well: but by then, what lay at the address would be gone.
Status check(const ipc::Window& window) {
  if (!ipc::is_sound(window, process.region_address, process.region_size_bytes))
    return fail(EINVAL, "a window is of whole pages of the region, outside the region: not ",
                window.size_bytes, " bytes at ", Hex{window.address}, " for ",
                Hex{window.own_address});
  for (const ipc::Window& other : windows())
    if (ipc::collide(window, other))
      return fail(EINVAL, "the window at ", Hex{window.address}, " for ", Hex{window.own_address},
                  " collides with the one at ", Hex{other.address}, " for ",
                  Hex{other.own_address});
  if (windows().size() == ipc::window_count_max)
    return fail(ENOSPC, "a process has at most ", ipc::window_count_max, " windows");
  return {};
}

Status close_own(const ipc::Window& window) {
  if (::mprotect(pointer_to(window.own_address), window.size_bytes, PROT_NONE) != 0)
    return fail_errno("cannot close the pages at ", Hex{window.own_address});
  return {};
}

// Maps it, tells the daemon, and opens it.
Status open_window(const ipc::Window& window) {
  const PageNo first_page{(window.own_address - process.region_address) / page_bytes};
  auto mapped = uffd::map_closed(process.pages_fd, window.address, window.size_bytes, first_page,
                                 uffd::Existing::replaced);
  if (!mapped) return tl::unexpected<Error>(mapped.error());
  const ipc::Reply reply = process.ring.call(ipc::Operation::window, window.address,
                                             window.size_bytes, window.own_address);
  if (reply.status != 0)
    return fail(reply.status, "the daemon can't serve the window at ", Hex{window.address},
                ": error ", reply.status);
  if (auto status = mapped->open(); !status) return status;
  mapped->release();
  return {};
}

void add(const ipc::Window& window) {
  const std::uint32_t count = g_window_count.load(std::memory_order_relaxed);
  g_windows[count] = window;
  g_window_count.store(count + 1, std::memory_order_release);
}

}  // namespace

// The order, and what may happen between its steps:
//
// 1. The caller, or another rank, has filled the pages by ordinary accesses at own addresses.
//    They may be anywhere in the job by now.
// 2. The own addresses are closed. Pages stay mapped behind them, maybe writable, but nobody gets
//    at them: from here until the end no access of this process can reach the pages, so it does
//    not matter at which address the daemon protects them. A thread that touches them in spite of
//    the rule gets SIGSEGV, and does not write into what has been sent away.
// 3. The pages are mapped at the window's address, closed. The range is not registered yet: a
//    thread that could touch an absent page there would read zeros and fill the hole for all.
// 4. The daemon registers the range and translates from then on, both in one turn of its reactor.
//    A page that another node recalls before that turn is protected at its own address; after it,
//    in the window, where nothing is mapped yet, which does no harm. Dropped is it in both: that
//    is done to the file.
// 5. The window is opened. The first access to each page is a fault: a minor one, if its frame
//    lies on this node.
// 6. The own addresses are given to nothing, and what was still mapped there goes.
// 7. The caller tells others that the window is there, if they need to know.
//
// A process that dies between two steps leaves nothing: mappings and registration are its address
// space's, the daemon's table is its session's, and the pages are as they were.
Status map_window(std::uint64_t address, std::size_t size_bytes, std::uint64_t own_address) {
  if (auto status = require_member(); !status) return status;
  const Locked locked(g_lock);
  const ipc::Window window{address, size_bytes, own_address};
  if (auto status = check(window); !status) return status;
  if (auto status = close_own(window); !status) return status;
  if (auto status = open_window(window); !status) return status;
  add(window);
  // They are closed already: that this fails only costs memory.
  [[maybe_unused]] const void* const none =
      ::mmap(pointer_to(own_address), size_bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return {};
}

std::uint64_t own_address_in_window(std::uint64_t address) {
  const ipc::Window* window = window_at(address);
  return window == nullptr ? address : window->own_address + (address - window->address);
}

OwnRun own_run_of(std::uint64_t address, std::size_t size_bytes) {
  const ipc::Window* window = window_at(address);
  if (window == nullptr) return {address, size_bytes};
  const std::uint64_t offset = address - window->address;
  return {window->own_address + offset, std::min(size_bytes, window->size_bytes - offset)};
}

void unmap_windows() {
  for (const ipc::Window& window : windows())
    ::munmap(pointer_to(window.address), window.size_bytes);
  g_window_count.store(0, std::memory_order_release);
}

}  // namespace gallocy::client
