// Where the kernel puts what is mapped anywhere, as the dynamic linker maps libraries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "client/futex_lock.hpp"
#include "preload/pages.hpp"

namespace gallocy::preload {

// Of who maps something anywhere in this process for the program, while it does.
inline constinit client::FutexLock g_anywhere;

// While one lives, maps that may be anywhere lie below `top`: all room above is taken by maps that
// nobody can use. So ranks whose memory above differs get the same address, if below it is free.
// Meanwhile nobody else who takes the lock maps anything; but the C library may, in other threads:
// who needs an address has to look at what came.
//
// What there is no room for in its table is not taken.
class Ceiling {
 public:
  explicit Ceiling(std::uint64_t top);
  ~Ceiling();
  Ceiling(const Ceiling&) = delete;
  Ceiling& operator=(const Ceiling&) = delete;

 private:
  bool take(std::uint64_t top, std::size_t size_bytes);

  const client::Locked guard_{g_anywhere};

  std::size_t count_ = 0;
};

}  // namespace gallocy::preload
