// Whether the limit of stacks, which is also the size of every thread's, leaves room for ours.
#pragma once

#include <sys/resource.h>

#include "base/result.hpp"

namespace gallocy {

// Our largest frames have arrays of 64 KiB. What begins the program is on the stack, too.
inline constexpr rlim_t min_stack_bytes = 256 << 10;

// To be called where nothing large is on the stack yet: main() calls the rest, not inlined.
[[gnu::noinline]] inline Status check_stack_limit(rlim_t least_bytes = min_stack_bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least_bytes) return {};
  return fail(ENOMEM, "stacks are limited to ", limit.rlim_cur >> 10, " KiB", stack_remedy);
}

}  // namespace gallocy
