#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

constexpr CallTag asker{ClientId{0}, 7, 0};

Lines take(Core& core, bool has_given = true) {
  return core.step(ClientCall{{ClientId{0}, 0, 0}, TakeFreedCall{has_given}});
}
Lines next_order(Core& core) { return core.step(ClientCall{{}, NextOrderCall{}}); }

// What a call is answered by the event, if it is.
std::optional<std::uint64_t> answer_after(Core& core, const Event& event) {
  Actions actions;
  core.node.step(core.now_us, event, actions);
  core.node.carried_out(core.now_us);
  for (const Action& action : actions)
    if (const auto* reply = std::get_if<Reply>(&action); reply && reply->tag.slot == asker.slot)
      return reply->values[0];
  return std::nullopt;
}

PeerMessage gathered(unsigned node, bool again) {
  return {NodeId{static_cast<std::uint8_t>(node)},
          Message{Epoch{1}, 0, by(0, 1), FreedGathered{again}}};
}

}  // namespace

TEST_CASE("a node is asked: batches leave, its client is ordered, and the answer is for the end") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  core.step(BlockFreed{region_base + 64, NodeId{2}, 16});
  CHECK(core.from(1, by(1, 5), GatherFreed{}) ==
        Lines{"to 2: blocks_freed 1, 0x550000000040 first {255,0}", "notify client 0"});
  CHECK(core.wait(1'000).empty());
  CHECK(take(core).back() == "to 1: freed_gathered again {1,5}");
}

TEST_CASE("there may be more if a chunk has come back meanwhile, and else not") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  give_chunk(core);
  core.from(1, by(1, 5), GatherFreed{});
  CHECK(take(core).back() == "to 1: freed_gathered {1,5}");
  next_order(core);
  core.from(1, by(1, 6), GatherFreed{});
  core.step(ClientCall{{ClientId{0}, 1, 0}, ReturnChunksCall{region_base, 1}});
  CHECK(take(core).back() == "to 1: freed_gathered again {1,6}");
}

TEST_CASE("who has blocks to take is asked until there are none") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  give_chunk(core);
  core.from(1, {}, BlocksFreed{{region_base + 64}});
  core.from(1, by(1, 5), GatherFreed{});
  CHECK(take(core).size() == 2);
  CHECK(take(core).size() == 3);
}

TEST_CASE("who has not given yet what it only keeps is waited for") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  give_chunk(core);
  core.from(1, {}, BlocksFreed{{region_base + 64}});
  take(core, false);
  core.from(1, by(1, 5), GatherFreed{});
  CHECK(take(core, false).size() == 2);
  CHECK(take(core).back() == "to 1: freed_gathered {1,5}");
}

TEST_CASE("a node without clients answers at once") {
  Core core(0);
  CHECK(core.from(1, by(1, 5), GatherFreed{}) == Lines{"to 1: freed_gathered {1,5}"});
}

TEST_CASE("a client that has gone is not waited for") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  core.from(1, by(1, 5), GatherFreed{});
  CHECK(core.step(ClientGone{ClientId{0}}).back() == "to 1: freed_gathered {1,5}");
}

TEST_CASE("a client that stands still is waited for 200 ms") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  core.from(1, by(1, 5), GatherFreed{});
  CHECK(core.wait(199'999).empty());
  CHECK(core.wait(1) == Lines{"to 1: freed_gathered {1,5}"});
  CHECK(core.node.next_deadline() == 0);
}

TEST_CASE("a call is answered when all nodes have answered, and says whether any has more") {
  for (const bool again : {false, true}) {
    Core core(0);
    CHECK(core.step(ClientCall{asker, GatherFreedCall{}}) ==
          Lines{"to 1: gather_freed {0,1}", "to 2: gather_freed {0,1}"});
    CHECK(!answer_after(core, gathered(2, again)));
    CHECK(answer_after(core, gathered(1, false)) == (again ? 1u : 0u));
    CHECK(core.from(1, by(0, 1), FreedGathered{}).at(0).starts_with("drop peer 1"));
  }
}

TEST_CASE("a node answers once") {
  Core core(0);
  core.step(ClientCall{asker, GatherFreedCall{}});
  core.from(1, by(0, 1), FreedGathered{});
  CHECK(core.from(1, by(0, 1), FreedGathered{}).at(0).starts_with("drop peer 1"));
}

TEST_CASE("a removed node neither answers nor is answered") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  core.step(ClientCall{asker, GatherFreedCall{}});
  take(core);
  core.from(2, by(2, 5), GatherFreed{});
  core.from(1, by(0, 1), FreedGathered{});
  CHECK(answer_after(core, MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {}}) == 0u);
  for (const std::string& line : take(core)) CHECK(line.find("freed_gathered") == line.npos);
}
