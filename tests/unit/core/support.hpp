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
    std::vector<std::string> lines;
    step(event, lines);
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
  // No client has room for a mutex that it is lent, so each is returned in the state in which it
  // was granted. Nothing is said of that: all is as if none had been lent.
  bool tables_are_full = true;

 private:
  void step(const Event& event, std::vector<std::string>& lines) {
    Actions actions;
    node.step(now_us, event, actions);
    node.carried_out(now_us);
    check_invariants(node);
    for (const Action& action : actions)
      if (!tables_are_full || !is_about_token(action)) lines.push_back(describe(action));
    if (!tables_are_full) return;
    for (const Action& action : actions) {
      if (const auto* place = std::get_if<PlaceToken>(&action))
        step(TokenTaken{place->client, place->address, place->owner, 1}, lines);
      if (const auto* take = std::get_if<TakeToken>(&action))
        step(TokenTaken{take->client, take->address, {}, 0}, lines);
    }
  }
  static bool is_about_token(const Action& action) {
    if (const auto* send = std::get_if<Send>(&action))
      return std::holds_alternative<TokenReturn>(send->message.body);
    return std::holds_alternative<PlaceToken>(action) || std::holds_alternative<TakeToken>(action);
  }
};

// So many frames besides the slots, one of them never reserved; a chunk needs one.
inline Config with_frames(unsigned self, std::uint64_t count) {
  Config config = Core::make_config(self, 4);
  config.memory_pages = config.slot_count + count;
  config.cache_min_pages = 1;
  config.chunk_frames = 1;
  return config;
}

// Makes node 0 the home of chunk 0.
inline void give_chunk(Core& core) { core.step(ClientCall{{}, ChunksCall{1}}); }

inline Transaction by(unsigned node, std::uint64_t counter) {
  return {NodeId{static_cast<std::uint8_t>(node)}, counter};
}

using Lines = std::vector<std::string>;

}  // namespace gallocy::core
