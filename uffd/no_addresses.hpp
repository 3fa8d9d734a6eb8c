// For a mapping that the kernel refused: the remedy, if addresses are limited.
#pragma once

#include <sys/resource.h>

#include <cerrno>

#include "base/result.hpp"

namespace gallocy::uffd {

// ENOTSUP instead of ENOMEM: as long as the limit stands, trying again is of no use.
template <class... Parts>
tl::unexpected<Error> fail_to_map(const Parts&... parts) {
  const int code = errno;
  rlimit limit{};
  const bool limited = code == ENOMEM && ::getrlimit(RLIMIT_AS, &limit) == 0 &&
                       limit.rlim_cur != RLIM_INFINITY;
  if (limited)
    return fail(ENOTSUP, parts..., ": addresses are limited to ", limit.rlim_cur >> 20,
                " MiB: ulimit -v unlimited");
  errno = code;
  return fail_errno(parts...);
}

}  // namespace gallocy::uffd
