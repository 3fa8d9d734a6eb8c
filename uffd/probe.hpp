// Can this machine serve pages? Asked once at start and by `gallocy doctor`, on throw-away
// objects; every refusal is one sentence that says what is missing and what to do.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace gallocy::uffd {

inline constexpr unsigned min_kernel_major = 6;
inline constexpr unsigned min_kernel_minor = 6;

struct Capabilities {
  unsigned kernel_major = 0;
  unsigned kernel_minor = 0;
  std::uint64_t features = 0;  // UFFD_FEATURE_*, all that the kernel offers
};

// The kernel's version, the device, and the features of a userfaultfd made from it.
// Errors: open_device()'s, or EOPNOTSUPP. Does not block.
Result<Capabilities> probe();

// The verdict on what was found, for probe(). Names everything that is missing. Pure.
Status check_capabilities(const Capabilities& found);

// Major and minor of a release such as "6.12.0-rc1-amd64"; zeros where it has none. Pure.
Capabilities parse_release(const char* release);

// Does the kernel keep its word? Takes a page through its whole life (install, write-protect
// fault, take away, fault again, map, wake, poison, zero) with a thread of its own that reaches
// it from inside system calls. Blocks for at most a second or so when all is well, for
// deadline_ms when not. The error names the step.
// Thread safety: one at a time per process (it maps at a fixed address).
Status self_test(unsigned deadline_ms = 5000);

}  // namespace gallocy::uffd
