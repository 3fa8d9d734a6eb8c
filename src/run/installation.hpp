// Where the other parts of gallocy are: beside gallocy-run, in the build tree or as installed.
#pragma once

#include <string>

#include "run/refusal.hpp"

namespace gallocy::run {

// $GALLOCYD, or beside gallocy-run.
Try<std::string> find_gallocyd();

// No variable names it: what is loaded into a program must be of the launcher's own version.
Try<std::string> find_preload_library();

}  // namespace gallocy::run
