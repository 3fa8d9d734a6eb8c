// Which outcomes a test may have, by trying all interleavings, and what an iteration's was.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "catalogue.hpp"

namespace litmus {

struct Outcome {
  std::array<uint8_t, register_count_max> registers{};
  std::array<uint8_t, variable_count> finals{};
  auto operator<=>(const Outcome&) const = default;
};

enum class Model : uint8_t { sc, tso };

// All that can be seen: under SC each access takes effect at once; under TSO writes wait in a
// buffer of their thread, which reads from it and mfence empties.
std::set<Outcome> outcomes_of(const Test& test, Model model);

bool is_asked(const Asked& asked, const Outcome& outcome);

// "r0=1 r1=0 y=2": final values only of variables that are written more than once.
std::string describe(const Test& test, const Outcome& outcome);

// What an iteration left behind. Its writes wrote number * 4 + value; what was there before
// counts as 0.
struct Observation {
  uint64_t number = 0;
  std::array<uint64_t, variable_count> before{};
  std::array<uint64_t, register_count_max> registers{};
  std::array<uint64_t, variable_count> finals{};
};
constexpr uint64_t word_of(uint64_t number, uint8_t value) { return number * 4 + value; }

// None if there is a value that was neither written by the iteration nor there before it: one of an
// older iteration, or of another variable.
std::optional<Outcome> outcome_of(const Test& test, const Observation& observation);

}  // namespace litmus
