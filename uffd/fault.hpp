// A page fault as the kernel reports it, decoded. Pure: no system call.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.hpp"
#include "uffd/abi.hpp"

namespace gallocy::uffd {

enum class Access : std::uint8_t { read, write };

enum class FaultKind : std::uint8_t {
  missing,        // no frame in the page memory
  minor,          // a frame is there, but not mapped in this client
  write_protect,  // mapped read-only, and written to
  other,          // not a fault but an event (fork, remap, remove, unmap); see Fault::event
};

struct Fault {
  std::uint64_t address = 0;  // exact, not rounded to a page
  std::uint32_t thread = 0;   // its id in its own pid namespace
  Access access = Access::read;
  FaultKind kind = FaultKind::other;
  std::uint8_t event = 0;  // UFFD_EVENT_*, for messages

  std::uint64_t page_address() const { return address & ~(page_bytes - 1); }
};

// The most messages that one read_faults() takes: faults of a storm must not starve sockets.
inline constexpr unsigned max_faults_per_read = 16;

// Decodes one message, for whoever reads the userfaultfd through a ring of its own.
Fault decode_fault(const uffd_msg& message);

std::string_view name_of(FaultKind kind);
std::string_view name_of(Access access);

}  // namespace gallocy::uffd
