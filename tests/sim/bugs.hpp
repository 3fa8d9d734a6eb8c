// The planted bugs (core/planted.hpp) by name.
#pragma once

#include <vector>

#include "core/planted.hpp"

namespace gallocy::sim {

struct PlantedBug {
  core::Bug bug;
  const char* name;
  const char* what;
};

const std::vector<PlantedBug>& planted_bugs();

}  // namespace gallocy::sim
