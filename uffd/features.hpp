// Which userfaultfd features gallocy asks the kernel for, and the handshake that asks.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "uffd/abi.hpp"

namespace gallocy::uffd {

// What serving a shared memfd takes. WP_UNPOPULATED is not among them: it concerns anonymous
// memory, while on shmem a hole can be protected anyway. UFFDIO_CONTINUE_MODE_WP (6.4) has no
// bit of its own; POISON (6.6) implies it. No event features: an unread event blocks every
// ioctl, and a client could withhold progress with them.
inline constexpr std::uint64_t needed_features =
    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
    UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS |
    UFFD_FEATURE_POISON;

// "MINOR_SHMEM, POISON"; bits without a name as one hexadecimal number. Pure.
Sentence feature_names(std::uint64_t features);

// Initialises a userfaultfd (UFFDIO_API, once in its life) with the wanted features on, and
// returns all that the kernel offers. Errors: EBUSY if it was initialised before, EOPNOTSUPP
// with the names of the features that the kernel lacks. After an error the fd is of no use.
// Does not block.
Result<std::uint64_t> handshake(int fd, std::uint64_t wanted);

}  // namespace gallocy::uffd
