// `gallocy doctor`: what this machine has and lacks for gallocy, each finding with its remedy.
#pragma once

#include <string>
#include <vector>

#include "tools/report.hpp"

namespace gallocy::tools {

enum class Verdict { ok, warning, missing };

struct Finding {
  std::string subject;
  Verdict verdict = Verdict::ok;
  std::string text;
  std::string remedy;  // empty if all is well
};

// Looks only, on throw-away objects; takes a second at most when all is well.
std::vector<Finding> examine();

// The status is 0, or 69 if something that is needed is missing.
Report doctor();

}  // namespace gallocy::tools
