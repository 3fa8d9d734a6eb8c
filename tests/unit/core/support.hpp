// One core and what it says, for tests that state one rule each.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/describe.hpp"
#include "core/invariants.hpp"
#include "core/node.hpp"

namespace gallocy::core {

struct Core {
  explicit Core(unsigned self, std::uint32_t slot_count = 4)
      : Core(make_config(self, slot_count)) {}
  explicit Core(const Config& config)
      : entries(2 * pages_per_chunk), node(config, entries) {}

  static Config make_config(unsigned self, std::uint32_t slot_count) {
    Config config;
    config.self = NodeId{static_cast<std::uint8_t>(self)};
    config.nodes = NodeSet{7};
    config.slot_count = slot_count;
    config.chunk_batch = 1;
    return config;
  }

  // What the core says to an event, one line each.
  std::vector<std::string> step(const Event& event) {
    Actions actions;
    node.step(now_us, event, actions);
    node.carried_out(now_us);
    check_invariants(node);
    std::vector<std::string> lines;
    for (const Action& action : actions) lines.push_back(describe(action));
    return lines;
  }
  std::vector<std::string> from(unsigned peer, Transaction transaction, Body body,
                                Epoch epoch = Epoch{1}) {
    return step(PeerMessage{NodeId{static_cast<std::uint8_t>(peer)},
                            Message{epoch, 0, transaction, std::move(body)}});
  }
  std::vector<std::string> fault(Access access, std::uint64_t page, std::uint32_t thread = 1) {
    return step(Fault{ClientId{0}, thread, PageNo{page}, access, FaultCause::missing});
  }
  std::vector<std::string> wait(TimeUs us) {
    now_us += us;
    return step(Tick{});
  }
  PageState state(std::uint64_t page) const { return entries[page].state; }
  const ClientStatistics& counts() const { return node.statistics().clients().at(ClientId{0}); }

  TimeUs now_us = 1'000'000;
  std::vector<PageEntry> entries;
  Node node;
};

// Makes node 0 the home of chunk 0.
inline void give_chunk(Core& core) { core.step(ClientCall{{}, ChunksCall{1}}); }

inline Transaction by(unsigned node, std::uint64_t counter) {
  return {NodeId{static_cast<std::uint8_t>(node)}, counter};
}

using Lines = std::vector<std::string>;

}  // namespace gallocy::core
