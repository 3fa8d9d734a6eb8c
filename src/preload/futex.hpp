// The futex system call at words that threads of all nodes may wait at.
#pragma once

#include <cstdint>

namespace gallocy::preload {

// Its arguments as the kernel has them; what the call returns, or a negative errno.
// REQUIRES: is_served(word)
long shared_futex(std::uint32_t* word, int operation, std::uint32_t value, std::uint64_t timeout,
                  std::uint32_t* second_word, std::uint32_t third_value);

}  // namespace gallocy::preload
