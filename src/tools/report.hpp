// What a command of the tool has found out.
#pragma once

#include <string>

namespace gallocy::tools {

inline constexpr int exit_usage = 64;        // sysexits.h
inline constexpr int exit_unavailable = 69;

struct Report {
  std::string text;  // for standard output
  int status = 0;    // to leave with
};

}  // namespace gallocy::tools
