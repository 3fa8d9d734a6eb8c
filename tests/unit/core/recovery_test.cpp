#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

// Node 2 is removed; node 0, the home of chunk 0, waits for what node 1 has.
void remove(Core& core) {
  give_chunk(core);
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
}

// Its chunk is homed at node 0.
void remove_node(Core& core, unsigned node, std::uint64_t epoch) {
  core.step(MemberRemoved{NodeId{static_cast<std::uint8_t>(node)}, NodeId{0}, Epoch{epoch},
                          {{ChunkNo{0}, 1, NodeId{0}}}});
}

// Node 1 has written page 5 and given it away; it keeps the bytes in a slot.
void give_away(Core& core) {
  core.step(ClientAttached{ClientId{0}, true});
  core.fault(Access::write, 5);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
  core.wait(10'000);
  core.from(0, by(0, 9), Recall{Access::write, PageNo{5}, NodeId{0}, Version{2}, 0, 0, 0});
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

TEST_CASE("a zero page that was being granted to who is removed next is lost") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}, true});
  give_chunk(core);
  core.from(1, {NodeId{1}, 1}, PageRequest{RequestKind::write, PageNo{5}, 0});
  remove_node(core, 2, 2);
  remove_node(core, 1, 3);
  CHECK(core.fault(Access::read, 5) == Lines{"poison page 5 client 0, it is lost"});
  CHECK(core.fault(Access::read, 6).front() == "install page 6 read from zero client 0");
}

TEST_CASE("nobody answers a request before it is sent in this epoch") {
  Core core(1);
  core.fault(Access::write, 5);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
  CHECK(core.from(0, by(1, 1), Lost{PageNo{5}, NodeId{2}, Epoch{2}}, Epoch{2}).empty());
  CHECK(core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true}, Epoch{2})
            .empty());
  CHECK(core.from(0, {}, Rebuilt{{}, true}, Epoch{2}) ==
        Lines{"to 0: write_request page 5 {1,1}"});
}

TEST_CASE("bytes taken back for a read that waits have a frame") {
  Core core(1);
  give_away(core);
  core.step(Fault{ClientId{0}, 1, PageNo{5}, Access::read, FaultCause::missing});
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
  CHECK(core.from(0, {}, Rebuilt{{PageNo{5}}, true}, Epoch{2}) ==
        Lines{"restore page 5 from slot 0", "install page 5 read from present client 0"});
  CHECK(core.node.memory().cached() == 1);
}

TEST_CASE("a chunk comes back to an heir whom its borrower's report reached too late") {
  Config config = Core::make_config(0, 4);
  config.nodes = NodeSet{15};
  Core core(config);
  core.step(MemberRemoved{NodeId{3}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{3}}}});
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{3}, {{ChunkNo{0}, 1, NodeId{0}}}});
  CHECK(core.from(1, {}, Report{{}, {}, {ChunkNo{0}}, true}, Epoch{2}).empty());
  CHECK(core.from(1, by(1, 1), ChunkReturn{ChunkNo{0}, 1}, Epoch{2}).empty());
  CHECK(core.from(1, by(1, 2), ChunkReturn{ChunkNo{0}, 1}, Epoch{2}) == dropped);  // once
  core.from(1, {}, Report{{}, {}, {}, true}, Epoch{3});
  CHECK(core.wait(1) == Lines{"to 1: chunk_returned {1,1}"});
}

TEST_CASE("a chunk has one borrower, and a lock of a thread is reported once") {
  Core core(0);
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{2}}}});
  const LockReport lock{region_base + 64, ThreadId{1ULL << 48 | 7}, SyncKind::recursive, 1 << 30};
  CHECK(core.from(1, {}, Report{{}, {lock}, {ChunkNo{0}}, false}, Epoch{2}).empty());
  CHECK(core.from(1, {}, Report{{}, {lock}, {}, false}, Epoch{2}) == dropped);
}
