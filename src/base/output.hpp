// What a program prints. Nothing that was asked for gets lost without a word.
#pragma once

#include <unistd.h>

#include <string_view>

#include "base/result.hpp"

namespace gallocy {

inline constexpr int exit_io_error = 74;  // sysexits.h

// All of it, as long as that takes. False, with errno, if it can't be written.
inline bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// To standard output. Who can't says so on standard error and leaves with exit_io_error.
inline Status print(std::string_view text) {
  if (write_all(STDOUT_FILENO, text)) return {};
  return fail_errno("can't write to standard output");
}

}  // namespace gallocy
