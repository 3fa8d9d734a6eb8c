#include <cerrno>

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

PageRequest write(std::uint64_t page) { return {RequestKind::write, PageNo{page}, 0}; }

// Node 1 with pages 5, exclusive, and 6, shared, in its two frames, and its thread 3 waiting for 7.
struct Full : Core {
  Full() : Core(with_frames(1, 2)) {
    fault(Access::write, 5);
    from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
    from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
    wait(1'000);
    fault(Access::read, 6);
    from(0, by(1, 3), PageData{PageNo{6}, Version{4}, Access::read, 0});
  }
  Lines ask() { return fault(Access::read, 7, 3); }
};

}  // namespace

TEST_CASE("pages that are not zero are reserved at their home up to its bound, less the cache") {
  Core core(with_frames(0, 3));
  give_chunk(core);
  core.fault(Access::write, 5);
  core.from(1, by(1, 1), write(6));
  core.from(1, by(1, 1), Done{PageNo{6}});
  CHECK(core.node.memory().reserved() == 2);
  CHECK(core.fault(Access::write, 7) == Lines{"poison page 7 client 0, its home is full"});
  CHECK(core.from(1, by(1, 2), write(8)) == Lines{"to 1: denial page 8 bound 7 pages {1,2}"});
  // It is neither busy nor anybody's afterwards, and can still be read.
  CHECK(core.from(1, by(1, 2), Done{PageNo{8}}).empty());
  CHECK(core.fault(Access::read, 8) == Lines{"install page 8 read from zero client 0"});
}

TEST_CASE("a first write waits for a frame that a copy occupies") {
  Core core(with_frames(0, 3));
  give_chunk(core);
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::read, page);
  CHECK(core.from(1, by(1, 1), write(8)).empty());
  CHECK(core.wait(100) == Lines{"drop page 5", "to 1: grant page 8 v1 write acks 0 zero {1,1}"});
}

TEST_CASE("a copy may be given back to a home whose first write waits for a frame") {
  Core core(with_frames(0, 3));
  give_chunk(core);
  core.from(1, by(1, 1), PageRequest{RequestKind::read, PageNo{8}, 0});
  core.from(1, by(1, 1), Done{PageNo{8}});
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::read, page);
  CHECK(core.from(2, by(2, 1), write(8)).empty());
  CHECK(core.from(1, by(1, 9), Writeback{PageNo{8}, Version{0}, false}) ==
        Lines{"to 1: writeback_ack page 8 accepted {1,9}"});
  // Node 1 can read the page until it has said that it has dropped it.
  CHECK(core.wait(100) == Lines{"drop page 5"});
  CHECK(core.from(1, by(1, 9), Done{PageNo{8}}) ==
        Lines{"to 2: grant page 8 v1 write acks 0 zero {2,1}"});
}

TEST_CASE("the last copy does not come home while this node's own request waits for a departure") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), write(5));
  core.from(1, by(1, 1), Done{PageNo{5}});
  core.from(2, by(2, 1), PageRequest{RequestKind::read, PageNo{5}, 0});
  core.from(2, by(2, 1), Done{PageNo{5}});
  core.from(1, by(1, 2), Writeback{PageNo{5}, Version{1}, false});
  CHECK(core.fault(Access::read, 5).empty());
  CHECK(core.from(2, by(2, 2), Writeback{PageNo{5}, Version{1}, true}) ==
        Lines{"to 2: writeback_ack page 5 busy {2,2}"});
  CHECK(core.from(1, by(1, 2), Done{PageNo{5}}).at(0).starts_with("to 2: recall to shared page 5"));
}

TEST_CASE("who could not hold all that it has lent lends more only when nobody could") {
  Config config = with_frames(0, 3);
  config.chunk_frames = 2;
  Core core(config);
  const auto chunk = [&](std::uint64_t wanted = 0) {
    return core.step(ClientCall{{}, ChunksCall{1, no_node, wanted}}).back();
  };
  CHECK(chunk().ends_with(": 0"));
  CHECK(core.from(1, by(1, 1), LoanRequest{1, no_chunk}) == Lines{"to 1: loan chunk 0 + 0 {1,1}"});
  CHECK(core.from(1, by(1, 2), LoanRequest{1, no_chunk, true}) ==
        Lines{"to 1: loan chunk 1 + 1 {1,2}"});
  core.from(1, by(1, 3), ChunkReturn{ChunkNo{1}, 1});
  // Nothing is written to, so there is room for it now.
  CHECK(chunk(region_base + chunk_bytes).ends_with(": " + std::to_string(ENOMEM)));
  CHECK(chunk() == "to 1: loan_request 1 {0,3}");
  CHECK(core.from(1, by(0, 3), Loan{}) == Lines{"to 2: loan_request 1 {0,4}"});
  CHECK(core.from(2, by(0, 4), Loan{}).back().ends_with(": 0"));
  CHECK((core.node.chunks().home_of(ChunkNo{1}) == NodeId{0}));
}

TEST_CASE("a node without room for chunks asks the others, unless it shall be its own") {
  Config config = with_frames(0, 3);
  config.chunk_frames = 2;
  Core core(config);
  const auto chunks = [&](std::uint32_t count, NodeId node = no_node) {
    return core.step(ClientCall{{}, ChunksCall{count, node}}).back();
  };
  CHECK(chunks(1).ends_with(": 0"));
  core.fault(Access::write, 5);
  CHECK(chunks(1, NodeId{0}).ends_with(": " + std::to_string(ENOMEM)));
  CHECK(chunks(1) == "to 1: loan_request 1 {0,3}");
  CHECK(core.from(1, by(0, 3), Loan{}) == Lines{"to 2: loan_request 1 {0,4}"});
  CHECK(core.from(2, by(0, 4), Loan{ChunkNo{1}, 1}).back().ends_with(": 0"));
}

TEST_CASE("who has no room left when fresh chunks come asks the others, and keeps the chunks") {
  Config config = with_frames(1, 5);
  config.chunk_frames = 2;
  Core core(config);
  core.step(ClientCall{{}, ChunksCall{1}});
  core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 1});
  CHECK(core.step(ClientCall{{}, ChunksCall{1}}) == Lines{"to 0: chunk_request 1 {1,2}"});
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::write, page);
  CHECK(core.from(0, by(1, 2), ChunkGrant{ChunkNo{1}, 1}) ==
        Lines{"to 0: loan_request 1 {1,6}"});
  CHECK((core.node.chunks().home_of(ChunkNo{1}) == NodeId{1}));
}

TEST_CASE("chunks that could not be written to are not lent") {
  Config config = with_frames(0, 3);
  config.chunk_frames = 2;
  Core core(config);
  CHECK(core.from(1, by(1, 1), LoanRequest{2, no_chunk}) == Lines{"to 1: loan chunk 0 + 0 {1,1}"});
  CHECK(core.from(1, by(1, 2), LoanRequest{2, no_chunk, true}) ==
        Lines{"to 1: loan chunk 0 + 0 {1,2}"});
  CHECK(core.from(1, by(1, 2), LoanRequest{1, no_chunk}) == Lines{"to 1: loan chunk 0 + 1 {1,2}"});
  CHECK(core.from(1, by(1, 3), LoanRequest{0, no_chunk}).at(0).starts_with("drop peer 1"));
}

TEST_CASE("clean copies go before pages that only this node has, and none inside its hold") {
  Full full;
  CHECK(full.ask().empty());
  CHECK(full.wait(100) == Lines{"to 0: writeback page 6 v4 {1,5}"});
  CHECK(full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::accepted}) ==
        Lines{"drop page 6", "to 0: done page 6 {1,5}", "to 0: read_request page 7 {1,4}"});
}

// Thread 1 of node 1 has page 5 and now gets page 6, for one access. Thread 3 waits for a frame.
TEST_CASE("nothing is evicted in the step that grants a page, nor before the hold that it begins") {
  Core core(with_frames(1, 2));
  core.fault(Access::write, 5);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
  core.wait(1'000);
  core.fault(Access::read, 6);
  core.wait(10);
  CHECK(core.fault(Access::read, 7, 3).empty());
  CHECK(core.from(0, by(1, 3), PageData{PageNo{6}, Version{4}, Access::read, 0}) ==
        Lines{"install page 6 read from message client 0", "to 0: done page 6 {1,3}"});
  CHECK(core.wait(99).empty());
}

// Thread 1 of node 1 has page 5 and would keep it until it has page 6; page 9 stays for its hold.
TEST_CASE("a page is not kept for an access that is younger than one that waits for its frame") {
  Core core(with_frames(1, 2));
  core.fault(Access::write, 9, 4);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), Grant{PageNo{9}, Version{1}, Access::write, 0, true});
  core.entries[9].hold_until_us = core.now_us + 10'000;
  core.fault(Access::write, 5);
  core.from(0, by(1, 3), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
  core.wait(10);
  CHECK(core.fault(Access::read, 7, 3).empty());
  core.wait(10);
  CHECK(core.fault(Access::read, 6).empty());
  const Recall recall{Access::write, PageNo{5}, NodeId{2}, Version{2}, 0, core.now_us + 1'000};
  CHECK(core.from(0, by(2, 1), recall).empty());
  CHECK(core.wait(80) == Lines{"protect page 5", "capture page 5 in slot 0", "drop page 5",
                               "to 2: page_data page 5 v2 write acks 0 {2,1} + slot 0",
                               "to 0: read_request page 7 {1,4}"});
}

TEST_CASE("the last copy is sent when the home lacks it") {
  Full full;
  full.ask();
  full.wait(100);
  CHECK(full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::bytes_needed}) ==
        Lines{"to 0: writeback page 6 v4 bytes {1,6} + frame"});
}

TEST_CASE("an answer to an eviction that is over changes nothing of the next one") {
  Full full;
  full.ask();
  full.wait(100);
  full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::bytes_needed});
  CHECK(full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::accepted}).empty());
  CHECK(full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::busy}).empty());
  CHECK(full.state(6) == PageState::shared);
  CHECK(full.from(0, by(1, 6), WritebackAck{PageNo{6}, WritebackOutcome::accepted}) ==
        Lines{"drop page 6", "to 0: done page 6 {1,6}", "to 0: read_request page 7 {1,4}"});
}

TEST_CASE("a page that the home did not take back is written to again") {
  Full full;
  full.wait(1'000);
  full.from(0, by(0, 8), Invalidate{PageNo{6}, NodeId{2}, 0});
  full.fault(Access::read, 8, 3);
  full.from(0, by(1, 4), Grant{PageNo{8}, Version{0}, Access::read, 0, true});
  full.wait(1'000);
  full.from(0, by(0, 9), Invalidate{PageNo{8}, NodeId{2}, 0});
  full.fault(Access::write, 9, 3);
  full.from(0, by(1, 5), Grant{PageNo{9}, Version{1}, Access::write, 0, true});
  full.wait(1'000);
  CHECK(full.fault(Access::read, 10, 4) ==
        Lines{"protect page 5", "to 0: writeback page 5 v1 bytes {1,7} + frame"});
  CHECK(full.state(5) == PageState::shared);
  full.fault(Access::write, 5, 1);
  const auto lines = full.from(0, by(1, 7), WritebackAck{PageNo{5}, WritebackOutcome::busy});
  CHECK(lines == Lines{"install page 5 write from present client 0"});
}

TEST_CASE("a copy that was taken away meanwhile needs no answer any more") {
  Full full;
  full.ask();
  full.wait(100);
  CHECK(full.from(0, by(2, 1), Invalidate{PageNo{6}, NodeId{2}, 0}) ==
        Lines{"drop page 6", "to 2: invalidate_ack page 6 {2,1}",
              "to 0: read_request page 7 {1,4}"});
  CHECK(full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::busy}).empty());
}

TEST_CASE("a home that takes back what it has demanded is dropped") {
  Full full;
  full.ask();
  full.wait(100);
  full.entries[6].hold_until_us = full.now_us + 500;
  full.from(0, by(2, 1), Invalidate{PageNo{6}, NodeId{2}, 0});
  const auto lines = full.from(0, by(1, 5), WritebackAck{PageNo{6}, WritebackOutcome::accepted});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("drop peer 0"));
}

TEST_CASE("what was never granted cannot be given back") {
  Core core(0);
  give_chunk(core);
  CHECK(core.from(1, by(1, 1), Writeback{PageNo{5}, Version{1}, true}) ==
        Lines{"to 1: writeback_ack page 5 busy {1,1}"});
  core.fault(Access::write, 5);
  CHECK(core.from(1, by(1, 2), Writeback{PageNo{5}, Version{1}, true}) ==
        Lines{"to 1: writeback_ack page 5 busy {1,2}"});
}

// Thread 3 of node 1 has had pages 9 and 8, and lost page 9 again; thread 1's request for page 10
// has the one frame that it may pin beside the four that an access may need.
TEST_CASE("the oldest access has a frame that others may not pin") {
  Config config = with_frames(1, 6);
  config.cache_min_pages = 5;
  Core core(config);
  core.fault(Access::read, 9, 3);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), PageData{PageNo{9}, Version{1}, Access::read, 0});
  core.wait(1'000);
  core.fault(Access::read, 8, 3);
  core.from(0, by(2, 1), Invalidate{PageNo{9}, NodeId{2}, 1});
  core.from(0, by(1, 3), PageData{PageNo{8}, Version{1}, Access::read, 0});
  CHECK(core.fault(Access::read, 10, 1) == Lines{"to 0: read_request page 10 {1,4}"});
  core.wait(1);
  CHECK(core.fault(Access::read, 11, 2).empty());
  CHECK(core.fault(Access::read, 9, 3) == Lines{"to 0: read_request page 9 {1,6}"});
}
