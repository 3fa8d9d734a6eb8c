// What a program is loaded with in the end, which its file alone does not tell.
#pragma once

#include <string>

#include "run/environment.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

// Whether it is linked with libgallocy, if only by a library of its. The dynamic linker is asked,
// which knows where libraries are; nothing of the program runs. REQUIRES: `dynamic_linker` is
// glibc's.
Try<bool> loads_libgallocy(const std::string& dynamic_linker, const std::string& path,
                           const Environment& environment);

}  // namespace gallocy::run
