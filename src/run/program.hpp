// The program to run: where it is, and whether it takes part in a job at all.
#pragma once

#include <string>

#include "run/refusal.hpp"

namespace gallocy::run {

struct Program {
  std::string path;
  bool linked_with_libgallocy = false;  // false also for scripts
};

// Looks in PATH as execvp does: 127 if there is no such program, 126 if it can't be executed.
Try<Program> find_program(const std::string& name);

}  // namespace gallocy::run
