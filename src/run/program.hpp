// The program to run: where it is, and how its ranks are started.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "run/environment.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

struct Program {
  std::string path;
  std::vector<std::string> arguments;  // with its name
  bool linked_with_libgallocy = false;
  std::string preload_library;  // empty: it is run as it is

  bool is_preloaded() const { return !preload_library.empty(); }
  // Otherwise it runs once, on its own.
  bool takes_part() const { return linked_with_libgallocy || is_preloaded(); }
};

// 0, or the errno that execve would give.
int why_not_executable(const std::string& path);

// PATH of that environment, or what execvp has for it.
std::string search_path_of(const Environment& environment);

// Looks there as execvp does: 127 if there is no such program, 126 if it can't be executed.
Try<std::string> find_program(const std::string& name, std::string_view search_path);

}  // namespace gallocy::run
