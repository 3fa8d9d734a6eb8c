// mremap, in a thread of the program.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace gallocy::preload {

struct Remap {
  std::uint64_t old_address;
  std::size_t old_bytes, new_bytes;
  int flags;
  std::uint64_t new_address;  // with MREMAP_FIXED

  bool is_fixed() const { return (flags & MREMAP_FIXED) != 0; }
};

// 0 or errno. Ends the job with a sentence where it can't be served.
int remap(const Remap& asked, std::uint64_t& address);

}  // namespace gallocy::preload
