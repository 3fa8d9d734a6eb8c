// Where the kernel puts what is mapped anywhere, as the dynamic linker maps libraries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/pages.hpp"

namespace gallocy::preload {

// While one lives, maps that may be anywhere lie below `top`: all room above is taken by maps that
// nobody can use. So ranks whose memory above differs get the same address, if below it is free.
// Other threads of the process may map meanwhile, and get what somebody else was to have: who needs
// an address has to look at what came.
//
// Two at once: never. What there is no room for in its table is not taken.
class Ceiling {
 public:
  explicit Ceiling(std::uint64_t top);
  ~Ceiling();
  Ceiling(const Ceiling&) = delete;
  Ceiling& operator=(const Ceiling&) = delete;

 private:
  bool take(std::uint64_t top, std::size_t size_bytes);

  std::size_t count_ = 0;
};

}  // namespace gallocy::preload
