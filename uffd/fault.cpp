#include "uffd/fault.hpp"

namespace gallocy::uffd {
namespace {

// Write-protect faults carry the write flag too, so the reason is looked at first. A minor
// fault by a store carries both minor and write.
FaultKind kind_of(std::uint64_t flags) {
  if ((flags & UFFD_PAGEFAULT_FLAG_WP) != 0) return FaultKind::write_protect;
  if ((flags & UFFD_PAGEFAULT_FLAG_MINOR) != 0) return FaultKind::minor;
  return FaultKind::missing;
}

}  // namespace

Fault decode_fault(const uffd_msg& message) {
  Fault fault;
  fault.event = message.event;
  if (message.event != UFFD_EVENT_PAGEFAULT) return fault;
  const std::uint64_t flags = message.arg.pagefault.flags;
  fault.address = message.arg.pagefault.address;
  fault.thread = message.arg.pagefault.feat.ptid;
  fault.access = (flags & UFFD_PAGEFAULT_FLAG_WRITE) != 0 ? Access::write : Access::read;
  fault.kind = kind_of(flags);
  return fault;
}

std::string_view name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::missing: return "missing";
    case FaultKind::minor: return "minor";
    case FaultKind::write_protect: return "write_protect";
    case FaultKind::other: return "other";
  }
  return "unknown";
}

std::string_view name_of(Access access) { return access == Access::write ? "write" : "read"; }

}  // namespace gallocy::uffd
