// What the kernel may answer to a page ioctl: one enum per ioctl, so that a caller's switch
// shows which cases it forgot, and one place that translates errno.
//
// None of these is a broken invariant: a client can provoke every one of them by what it maps,
// unmaps or by dying. Sources: fs/userfaultfd.c and mm/userfaultfd.c of Linux 6.6 to 6.18, and
// tests/unit/uffd, which provokes them.
//
// Common to all:
//   blocked_by_event  an unread event (fork, remap, remove, unmap) blocks every ioctl of this
//                     userfaultfd: read_faults() first, then try again; never spin. Only with
//                     the event features on, which needed_features leaves off.
//   unmapped          ENOENT: the range is no longer mapped, or no longer registered
//   process_gone      ESRCH: the address space died
//   out_of_memory     ENOMEM, ENOSPC, EDQUOT: no frame or no page-table page
//   refused           anything else; RangeResult::code is the errno
#pragma once

#include <cstdint>
#include <string_view>

namespace gallocy::uffd {

// UFFDIO_COPY and UFFDIO_ZEROPAGE.
enum class InstallOutcome : std::uint8_t {
  installed,
  already_present,  // EEXIST: mapped, or in the page memory but not mapped here. Nothing was
                    // written and nobody was woken.
  blocked_by_event,
  unmapped,
  process_gone,
  out_of_memory,
  refused,
};

// UFFDIO_CONTINUE.
enum class MapOutcome : std::uint8_t {
  installed,
  already_present,  // EEXIST: mapped already, in whatever mode. Nobody was woken: call wake().
  absent,           // EFAULT: the page memory has no frame there
  blocked_by_event,
  unmapped,
  process_gone,
  out_of_memory,
  refused,
};

// UFFDIO_WRITEPROTECT.
enum class ProtectOutcome : std::uint8_t {
  done,  // also over holes, silently
  blocked_by_event,
  unmapped,
  process_gone,
  out_of_memory,
  refused,
};

// UFFDIO_POISON.
enum class PoisonOutcome : std::uint8_t {
  poisoned,
  already_present,  // EEXIST: a page is mapped there: drop it from the page memory first; or it
                    // is poisoned already; or a protection has left its mark: unprotect it first
  blocked_by_event,
  unmapped,
  process_gone,
  out_of_memory,
  refused,
};

// UFFDIO_WAKE looks at nothing but the range, so it succeeds for the dead and the unmapped.
enum class WakeOutcome : std::uint8_t { done, refused };

// An outcome and how far it came: pages [0, page_count) of the range are done, and `outcome`
// speaks of the page after them. code is the errno, 0 on success.
template <class Outcome>
struct RangeResult {
  Outcome outcome;
  std::uint64_t page_count;
  int code;
};

// From an errno; 0 is success. Pure.
InstallOutcome install_outcome(int code);
MapOutcome map_outcome(int code);
ProtectOutcome protect_outcome(int code);
PoisonOutcome poison_outcome(int code);
WakeOutcome wake_outcome(int code);

// For traces and messages: "already_present". Pure.
std::string_view name_of(InstallOutcome outcome);
std::string_view name_of(MapOutcome outcome);
std::string_view name_of(ProtectOutcome outcome);
std::string_view name_of(PoisonOutcome outcome);
std::string_view name_of(WakeOutcome outcome);

}  // namespace gallocy::uffd
