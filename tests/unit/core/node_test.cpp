#include "support.hpp"

#include <cerrno>

using namespace gallocy;
using namespace gallocy::core;

TEST_CASE("the first write of a page at its home needs no message") {
  Core core(0);
  give_chunk(core);
  CHECK(core.fault(Access::write, 5) == Lines{"install page 5 write from zero client 0"});
  CHECK(core.state(5) == PageState::exclusive);
}

TEST_CASE("a fault outside the region is counted once and ends in poison") {
  Core core(0);
  CHECK(core.fault(Access::read, 9'999) == Lines{"poison page 9999 client 0"});
  CHECK(core.counts().faults_seen == 1);
}

TEST_CASE("memory that nobody was given is poison") {
  Core core(0);
  CHECK(core.fault(Access::read, 5) == Lines{"poison page 5 client 0"});
}

TEST_CASE("a message of an old epoch is dropped without a word") {
  Core core(0);
  give_chunk(core);
  CHECK(core.from(1, by(1, 1), PageRequest{RequestKind::read, PageNo{5}, 0}, Epoch{0}).empty());
}

TEST_CASE("a request to a node that is not the home drops the peer") {
  Core core(1);
  const auto lines = core.from(2, by(2, 1), PageRequest{RequestKind::read, PageNo{5}, 0});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("drop peer 2"));
}

TEST_CASE("a request may come before the grant that makes the node the home") {
  Core core(1);
  give_chunk(core);
  CHECK(core.from(2, by(2, 1), PageRequest{RequestKind::read, PageNo{5}, 0}).empty());
  CHECK(core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 1}).back() ==
        "to 2: grant page 5 v0 read acks 0 zero {2,1}");
}

TEST_CASE("bytes of a transaction that is over are dropped") {
  Core core(0);
  give_chunk(core);
  CHECK(core.from(1, by(0, 77), PageData{PageNo{5}, Version{1}, Access::write, 0}).empty());
  CHECK(core.state(5) == PageState::invalid);
}

TEST_CASE("a client can't end or start threads that do not run in it") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}, true});
  core.step(ClientAttached{ClientId{1}, false});
  const auto call = [&](std::uint8_t client, auto what) {
    return core.step(ClientCall{{ClientId{client}, 0, 0}, what});
  };
  const auto refused = [](const Lines& lines) {
    return lines.size() == 1 && lines[0].ends_with(": " + std::to_string(ESRCH));
  };
  // Never made, the first thread of another client, and of nodes that there are and are not.
  for (const std::uint64_t id : {0ULL, 2ULL, 77ULL, 1ULL << 48 | 1, ~0ULL})
    CHECK(refused(call(0, ThreadExited{ThreadId{id}, 0})));
  core.step(ClientCall{{ClientId{0}, 0, 0}, ThreadCreateCall{0x1000, 0, NodeId{0}}});
  const ThreadId made{3};
  const std::uint8_t runner = refused(call(1, ThreadStarted{made, 0})) ? 0 : 1;
  if (runner == 0) CHECK(!refused(call(0, ThreadStarted{made, 0})));
  CHECK(refused(call(runner == 0 ? 1 : 0, ThreadExited{made, 5})));
  CHECK(!refused(call(runner, ThreadExited{made, 5})));
  CHECK(refused(call(runner, ThreadExited{made, 5})));
}
