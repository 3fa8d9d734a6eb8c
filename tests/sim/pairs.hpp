// Which event has met which state of a page, over all runs: on the node that holds it or asks for
// it, and at its home. A pair is reached, impossible (pair_rules.hpp says why, and reaching it ends
// the run), or open. What core puts aside before it looks at any state (Node::receive: of an epoch
// that is over or to come, or of no member) need not be met in each: it is unmet, and not open.
// Only what comes from threads, other nodes and the agreement of the members is seen: what a home
// says to itself happens within a step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "machine.hpp"

namespace gallocy::sim {

struct Impossible {
  const char* state;  // nullptr: any
  const char* event;  // nullptr: any
  const char* why;
};

class PairTable {
 public:
  PairTable(std::span<const char* const> states, std::span<const char* const> events,
            std::span<const Impossible> impossible);

  // Throws Failure if the pair is impossible.
  void note(const Machine& machine, PageNo page, unsigned state, unsigned event);
  void print(const char* title) const;

 private:
  struct Pair {
    std::uint64_t count = 0;
    const char* why_not = nullptr;
  };
  const Pair& at(std::size_t state, std::size_t event) const {
    return pairs_[state * events_.size() + event];
  }

  std::span<const char* const> states_, events_;
  std::vector<Pair> pairs_;
};

class Pairs {
 public:
  Pairs();

  // Before the step. Throws Failure if a pair is impossible.
  void note(const Machine& machine, const core::Event& event);
  void print() const;

 private:
  void note_page(const Machine& machine, PageNo page, unsigned event);
  void note_home(const Machine& machine, PageNo page, unsigned event);
  void note_message(const Machine& machine, const core::PeerMessage& from);
  void note_ignored(const Machine& machine, const core::PeerMessage& from, unsigned page_event,
                    unsigned home_event);
  void note_early(const Machine& machine, const core::PeerMessage& from);
  void note_removal(const Machine& machine);
  void note_report(const Machine& machine, const core::Report& report);
  void note_ready(const Machine& machine, NodeId home, const core::Rebuilt& rebuilt);
  void note_answer(const Machine& machine, core::Transaction transaction,
                   const core::PrefetchAnswer& answer);
  void note_returned(const Machine& machine, ChunkNo first, std::uint32_t count, unsigned event);

  PairTable pages_, homes_;
};

}  // namespace gallocy::sim
