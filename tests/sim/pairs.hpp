// Which event has met which state of a page, over all runs: on the node that holds it or asks for
// it, and at its home. A pair is reached, impossible (pairs.cpp says why, and reaching it ends the
// run), or open. Only what comes from threads and other nodes is seen: what a home says to itself
// happens within a step.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "machine.hpp"

namespace gallocy::sim {

class Pairs {
 public:
  // Before the step. Throws Failure if the pair is impossible.
  void note(const Machine& machine, const core::Event& event);
  void print() const;

  static constexpr unsigned page_state_count = 5, page_event_count = 14;
  static constexpr unsigned home_state_count = 12, home_event_count = 8;

 private:
  void note_page(const Machine& machine, PageNo page, unsigned event);
  void note_home(const Machine& machine, PageNo page, unsigned event);
  void note_prefetch(const Machine& machine, const core::PrefetchRequest& request);

  std::array<std::array<std::uint64_t, page_event_count>, page_state_count> pages_{};
  std::array<std::array<std::uint64_t, home_event_count>, home_state_count> homes_{};
};

}  // namespace gallocy::sim
