// Unit tests on the planted core, with the bug that GALLOCY_BUG names. Without one they pass.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include "bugs.hpp"

int main(int argc, char** argv) {
  using namespace gallocy;
  const char* const name = std::getenv("GALLOCY_BUG");
  for (const sim::PlantedBug& bug : sim::planted_bugs())
    if (name != nullptr && std::strcmp(name, bug.name) == 0) core::planted_bug = bug.bug;
  if (name != nullptr && core::planted_bug == core::Bug::none) return 64;
  return doctest::Context(argc, argv).run();
}
