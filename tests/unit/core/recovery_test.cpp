#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

// Node 2 is removed; node 0, the home of chunk 0, waits for what node 1 has.
void remove(Core& core) {
  give_chunk(core);
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
}

std::vector<std::string> report(Core& core, std::vector<PageReport> pages, bool last = true) {
  return core.from(1, {}, Report{std::move(pages), {}, {}, last}, Epoch{2});
}

const Lines dropped{"drop peer 1: a message that the protocol does not allow in this state"};

}  // namespace

TEST_CASE("a home is ready when it has the last report of every member") {
  Core core(0);
  remove(core);
  CHECK(report(core, {}, false).empty());
  CHECK(report(core, {}) == Lines{"to 1: rebuilt {255,0}"});
  CHECK(report(core, {}) == dropped);
}

TEST_CASE("two members cannot both have a page that one has alone") {
  Core core(0);
  remove(core);
  CHECK(report(core, {{PageNo{5}, Copy::exclusive, Version{1}, {}, {}}}, false).empty());
  CHECK(report(core, {{PageNo{5}, Copy::shared, Version{1}, {}, {}}}) == dropped);
}

TEST_CASE("what is not homed here is not reported here") {
  Core core(0);
  remove(core);
  CHECK(report(core, {{PageNo{pages_per_chunk}, Copy::shared, Version{1}, {}, {}}}) == dropped);
}

TEST_CASE("bytes in a slot are taken back only if who asked for them may not have used them") {
  const auto says_of_bytes_kept_for = [](unsigned requester) {
    Core core(0);
    give_chunk(core);
    core.from(1, {NodeId{1}, 1}, PageRequest{RequestKind::write, PageNo{5}, 0});
    core.from(1, {NodeId{1}, 1}, Done{PageNo{5}});
    core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
    const Transaction kept_for{NodeId{static_cast<std::uint8_t>(requester)}, 9};
    return report(core, {{PageNo{5}, Copy::none, Version{1}, kept_for, Version{2}}});
  };
  CHECK(says_of_bytes_kept_for(0) == Lines{"to 1: rebuilt, takes back page 5 {255,0}"});
  CHECK(says_of_bytes_kept_for(2) == Lines{"to 1: rebuilt {255,0}"});  // it is removed
}

TEST_CASE("a message of a newer epoch waits until this node has heard of it") {
  Core core(0);
  give_chunk(core);
  CHECK(report(core, {}).empty());
  CHECK(core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}}) ==
        Lines{"to 1: report 0 pages 0 locks 0 chunks, last {255,0}", "to 1: rebuilt {255,0}"});
}
