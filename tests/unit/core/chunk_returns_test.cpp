#include "support.hpp"

#include <cerrno>

using namespace gallocy;
using namespace gallocy::core;

namespace {

constexpr CallTag tag{ClientId{0}, 0, 0};

Lines take(Core& core, std::uint32_t count) {
  return core.step(ClientCall{tag, ChunksCall{count, NodeId{0}, 0}});
}

Lines give_back(Core& core, std::uint64_t chunk, std::uint32_t count = 1, CallTag by = tag) {
  return core.step(ClientCall{by, ReturnChunksCall{region_base + chunk * chunk_bytes, count}});
}

const Lines taken{"reply to client 0 slot 0: 0"};
const Lines invalid{"reply to client 0 slot 0: " + std::to_string(EINVAL)};
const Lines no_memory{"reply to client 0 slot 0: " + std::to_string(ENOMEM)};

}  // namespace

TEST_CASE("a chunk that is given back loses its pages and is handed out again") {
  Core core(0);
  take(core, 1);
  for (const std::uint64_t page : {3, 5, 6}) core.fault(Access::write, page);
  CHECK(give_back(core, 0).empty());
  CHECK(core.node.next_deadline() != 0);
  CHECK(core.wait(1) == Lines{"drop page 3", "drop pages 5 + 2", "reply to client 0 slot 0: 0"});
  CHECK(core.node.next_deadline() == 0);
  CHECK(core.node.directory().entries().empty());
  CHECK(take(core, 1) == taken);
  CHECK(core.fault(Access::write, 5) == Lines{"install page 5 write from zero client 0"});
}

TEST_CASE("a write in the step that takes its page back finds a page of zeros") {
  Core core(0);
  take(core, 1);
  core.fault(Access::read, 5);
  CHECK(give_back(core, 0).empty());
  CHECK(core.fault(Access::write, 5) == Lines{"drop page 5",
                                              "install page 5 write from zero client 0",
                                              "reply to client 0 slot 0: 0"});
  CHECK(core.state(5) == PageState::exclusive);
}

TEST_CASE("only who has a chunk gives it back, once") {
  Core core(0);
  take(core, 1);
  CHECK(give_back(core, 0, 0) == invalid);
  CHECK(give_back(core, 0, 2) == invalid);
  CHECK(give_back(core, 1) == invalid);
  CHECK(give_back(core, 99) == invalid);
  CHECK(give_back(core, 0, ~std::uint32_t{0}) == invalid);
  const auto middle = ReturnChunksCall{region_base + page_bytes, 1};
  CHECK(core.step(ClientCall{tag, middle}) == invalid);
  const auto below = ReturnChunksCall{0, 1};
  CHECK(core.step(ClientCall{tag, below}) == invalid);
  CHECK(give_back(core, 0, 1, {ClientId{1}, 0, 0}).at(0).ends_with(std::to_string(EINVAL)));
  CHECK(give_back(core, 0).empty());
  CHECK(give_back(core, 0).at(0) == invalid.at(0));
  CHECK(give_back(core, 0) == invalid);
}

TEST_CASE("chunks that come back one by one can be had as one run") {
  Core core(0);
  take(core, 1);
  take(core, 1);
  CHECK(take(core, 1) == no_memory);
  give_back(core, 1);
  core.wait(1);
  give_back(core, 0);
  core.wait(1);
  CHECK(take(core, 2) == taken);
}

TEST_CASE("a transaction under way ends before the chunk is cleared, and a later request waits") {
  Core core(0);
  take(core, 1);
  core.from(1, by(1, 1), PageRequest{RequestKind::write, PageNo{5}, 0});
  give_back(core, 0);
  CHECK(core.wait(1).empty());
  CHECK(core.node.next_deadline() == 0);
  CHECK(core.from(2, by(2, 1), PageRequest{RequestKind::read, PageNo{5}, 0}).empty());
  CHECK(core.from(2, by(2, 2), PageRequest{RequestKind::write, PageNo{6}, 0}).empty());
  CHECK(core.from(1, by(1, 1), Done{PageNo{5}}).empty());
  CHECK(core.wait(1) == Lines{"to 1: discard chunk 0 {0,3}"});
  CHECK(core.from(1, by(0, 3), Discarded{ChunkNo{0}}) ==
        Lines{"to 2: grant page 5 v1 read acks 0 zero {2,1}",
              "to 2: grant page 6 v2 write acks 0 zero {2,2}", "reply to client 0 slot 0: 0"});
}

// It asked while the page had a reserved frame here; others have taken that one meanwhile.
TEST_CASE("a read of this node's own that outlasts its chunk waits for a frame of the cache") {
  Config config = Core::make_config(0, 4);
  config.memory_pages = config.slot_count + 8;
  config.cache_min_pages = 6;
  config.chunk_frames = 1;
  Core core(config);
  REQUIRE(take(core, 1) == taken);
  REQUIRE(take(core, 1) == taken);
  core.from(1, by(1, 1), PageRequest{RequestKind::write, PageNo{5}, 0});
  core.from(1, by(1, 1), Done{PageNo{5}});
  core.from(1, by(1, 2), PageRequest{RequestKind::write, PageNo{6}, 0});
  give_back(core, 0);
  core.wait(1);
  core.from(2, by(2, 1), PageRequest{RequestKind::read, PageNo{5}, 0});
  CHECK(core.fault(Access::read, 5).empty());
  CHECK(core.from(1, by(1, 2), Done{PageNo{6}}).empty());
  const Lines asked = core.wait(1);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].starts_with("to 1: discard chunk 0"));
  const std::uint64_t discard = std::stoull(asked[0].substr(asked[0].rfind(',') + 1));
  CHECK(core.from(1, by(0, discard), Discarded{ChunkNo{0}}) ==
        Lines{"to 2: grant page 5 v1 read acks 0 zero {2,1}", "reply to client 0 slot 0: 0"});
  for (unsigned i = 0; i < 8; ++i) core.fault(Access::read, pages_per_chunk + i, 3);
  CHECK(core.node.memory().free() == 0);
  CHECK(core.from(2, by(2, 1), Done{PageNo{5}}).empty());
  CHECK(core.node.memory().cached() == 8);
  const Lines said = core.wait(100);
  CHECK(said.front() == "drop page " + std::to_string(pages_per_chunk));
  CHECK(said.back() == "install page 5 read from zero client 0");
}

TEST_CASE("a second request of a node for a page of a closed chunk drops it") {
  Core core(0);
  take(core, 1);
  core.from(1, by(1, 1), PageRequest{RequestKind::write, PageNo{5}, 0});
  give_back(core, 0);
  core.wait(1);
  const PageRequest request{RequestKind::write, PageNo{6}, 0};
  CHECK(core.from(2, by(2, 1), request).empty());
  CHECK(core.from(2, by(2, 2), request).at(0).starts_with("drop peer 2"));
}

TEST_CASE("what no honest peer says about chunks drops it") {
  Core core(0);
  take(core, 1);
  const auto dropped = [](const Lines& lines) {
    return lines.size() == 1 && lines[0].starts_with("drop peer 1");
  };
  // Chunks of others, or that there are not.
  CHECK(dropped(core.from(1, by(1, 1), ChunkReturn{ChunkNo{0}, 1})));
  CHECK(dropped(core.from(1, by(1, 1), ChunkReturn{ChunkNo{0}, 0})));
  CHECK(dropped(core.from(1, by(1, 1), ChunkReturn{ChunkNo{9}, 1})));
  CHECK(dropped(core.from(1, by(1, 1), ChunkReturn{ChunkNo{1}, 0xffffffff})));
  CHECK(dropped(core.from(1, by(0, 1), ChunkReturned{})));
  CHECK(dropped(core.from(1, by(0, 1), Discarded{ChunkNo{0}})));
  CHECK(dropped(core.from(1, by(1, 1), Discard{ChunkNo{0}})));  // not its home
  CHECK(dropped(core.from(1, by(1, 1), Discard{ChunkNo{9}})));
  // Answers that are due from another.
  core.from(2, by(2, 1), PageRequest{RequestKind::write, PageNo{5}, 0});
  core.from(2, by(2, 1), Done{PageNo{5}});
  give_back(core, 0);
  CHECK(core.wait(1) == Lines{"to 2: discard chunk 0 {0,3}"});
  CHECK(dropped(core.from(1, by(0, 3), Discarded{ChunkNo{0}})));
  CHECK(core.from(2, by(0, 3), Discarded{ChunkNo{0}}) == taken);
}

TEST_CASE("a holder drops what it has of a chunk without a hold") {
  Core core(1);
  core.from(0, by(1, 9), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.fault(Access::write, 5);
  core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
  core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, true});
  CHECK(core.state(5) == PageState::exclusive);
  CHECK(core.from(0, by(0, 4), Discard{ChunkNo{0}}) ==
        Lines{"drop page 5", "to 0: discarded chunk 0 {0,4}"});
  CHECK(core.state(5) == PageState::invalid);
}
