// What belongs to a transaction that is over changes nothing of the one that is under way. Honest
// peers never say these (docs/correctness.md), so the simulator cannot tell whether they are
// refused: tests/sim/find_bugs.py sees each of these fail with the bug in question.
#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

bool is_dropped(const Lines& lines) {
  return lines.size() == 1 && lines[0].starts_with("drop peer");
}

// Node 1 has written page 5 of node 0's, and gives it to node 2 under {2,7}.
void write_and_give_away(Core& core) {
  core.fault(Access::write, 5);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
  core.wait(10'000);
  core.from(0, by(2, 7), Recall{Access::write, PageNo{5}, NodeId{2}, Version{2}, 0, 0, 0});
}

}  // namespace

TEST_CASE("an acknowledgement of a request that is over does not count for the next one") {
  Core core(1);
  write_and_give_away(core);
  core.from(0, by(2, 7), Release{PageNo{5}});
  REQUIRE(core.fault(Access::write, 5) == Lines{"to 0: write_request page 5 {1,3}"});
  CHECK(core.from(2, by(1, 1), InvalidateAck{PageNo{5}}).empty());
  CHECK(core.from(0, by(1, 3), PageData{PageNo{5}, Version{3}, Access::write, 1}) ==
        Lines{"store page 5"});  // nobody here sees it yet
}

TEST_CASE("a transaction is not over when an earlier one of the same node is") {
  Core core(0);
  give_chunk(core);
  const auto have = [&](unsigned node, std::uint64_t counter) {
    core.from(node, by(node, counter), PageRequest{RequestKind::write, PageNo{5}, 0});
    return core.from(node, by(node, counter), Done{PageNo{5}});
  };
  CHECK(have(1, 1).empty());
  CHECK(have(2, 1) == Lines{"to 1: release page 5 {2,1}"});
  core.from(1, by(1, 2), PageRequest{RequestKind::write, PageNo{5}, 0});
  CHECK(is_dropped(core.from(1, by(1, 1), Done{PageNo{5}})));
  CHECK(core.node.directory().find(PageNo{5})->busy);
}

TEST_CASE("bytes in a slot are not freed by the release of another transfer") {
  Core core(1);
  write_and_give_away(core);
  CHECK(is_dropped(core.from(0, by(2, 6), Release{PageNo{5}})));
  CHECK(core.node.holder().used_slot_count() == 1);
}
