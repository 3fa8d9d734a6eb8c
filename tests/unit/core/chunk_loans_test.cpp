#include "support.hpp"

#include <algorithm>
#include <cerrno>

using namespace gallocy;
using namespace gallocy::core;

namespace {

constexpr CallTag tag{ClientId{0}, 0, 0};

Lines take(Core& core, std::uint32_t count, NodeId node = no_node, std::uint64_t wanted = 0) {
  return core.step(ClientCall{tag, ChunksCall{count, node, wanted}});
}

Lines answer(int status) { return {"reply to client 0 slot 0: " + std::to_string(status)}; }

std::uint64_t address_of(std::uint64_t chunk) { return region_base + chunk * chunk_bytes; }

// So many frames, of which so many must be free for a chunk to be handed out.
Config with_chunks(std::uint64_t frames, std::uint64_t chunk_frames) {
  Config config = with_frames(0, frames);
  config.chunk_frames = chunk_frames;
  return config;
}

// The first chunk, and long enough ago that none of it counts any more.
void give_back(Core& core) {
  core.step(ClientCall{tag, ReturnChunksCall{address_of(0), 1}});
  core.wait(100);
}

}  // namespace

TEST_CASE("chunks of a node of choice are asked of that node") {
  Core core(1);
  CHECK(take(core, 2, NodeId{2}) == Lines{"to 2: loan_request 2 {1,1}"});
  CHECK(core.from(2, by(1, 1), Loan{{}, 0, {100, 90, 50}}) == answer(ENOMEM));
  CHECK(take(core, 1, NodeId{2}) == Lines{"to 2: loan_request 1 {1,2}"});
  CHECK(core.from(2, by(1, 2), Loan{ChunkNo{1}, 1}) == answer(0));
  CHECK((core.node.chunks().home_of(ChunkNo{1}) == NodeId{2}));
  // It goes back where it came from.
  CHECK(core.step(ClientCall{tag, ReturnChunksCall{address_of(1), 1}}) ==
        Lines{"to 2: chunk_return chunk 1 + 1 {1,3}"});
  CHECK(core.from(2, by(1, 3), ChunkReturned{}) == answer(0));
}

TEST_CASE("a node that there is not has no chunks") {
  Core core(0);
  for (const std::uint8_t node : {3, 63, 64, 200})
    CHECK(take(core, 1, NodeId{node}) == answer(EINVAL));
  CHECK(take(core, 0) == answer(EINVAL));
  CHECK(take(core, 1, no_node, region_base + 5) == answer(EINVAL));
  CHECK(take(core, 1, no_node, 77) == answer(EINVAL));
}

TEST_CASE("who has none left asks one node after the other, unless it wants its own") {
  Core core(0);
  CHECK(take(core, 2) == answer(0));
  CHECK(take(core, 1, NodeId{0}) == answer(ENOMEM));
  CHECK(take(core, 1) == Lines{"to 1: loan_request 1 {0,4}"});
  CHECK(core.from(1, by(0, 4), Loan{}) == Lines{"to 2: loan_request 1 {0,5}"});
  CHECK(core.from(2, by(0, 5), Loan{}) == answer(ENOMEM));
}

namespace {

// All have been asked for a chunk and have none, this node first. What it says then.
Lines last_answer(Core& core, const Promises& of_first, const Promises& of_second) {
  CHECK(take(core, 1) == Lines{"to 1: loan_request 1 {0,1}"});
  CHECK(core.from(1, by(0, 1), Loan{{}, 0, of_first}) == Lines{"to 2: loan_request 1 {0,2}"});
  return core.from(2, by(0, 2), Loan{{}, 0, of_second});
}

Config without_memory() { return with_chunks(3, 100); }

}  // namespace

TEST_CASE("a program that touches little of what it gets is lent more than there is") {
  Core core(without_memory());
  CHECK(last_answer(core, {160, 150, 10}, {160, 150, 8}) ==
        Lines{"to 1: loan_request 1 overcommit {0,3}"});
  CHECK(core.from(1, by(0, 3), Loan{}) == Lines{"to 2: loan_request 1 overcommit {0,4}"});
  CHECK(core.from(2, by(0, 4), Loan{}) == answer(ENOMEM));
}

TEST_CASE("a program that fills what it gets is not") {
  Core core(without_memory());
  // One thread has filled its block, the others are about to.
  CHECK(last_answer(core, {160, 150, 150}, {160, 150, 0}) == answer(ENOMEM));
}

TEST_CASE("nor one whose first blocks find no room, of which nobody knows yet") {
  Core core(without_memory());
  CHECK(last_answer(core, {160, 100, 0}, {160, 100, 0}) == answer(ENOMEM));
}

TEST_CASE("nor one whose node of choice is removed before it answers") {
  Core core(0);
  CHECK(take(core, 1, NodeId{2}) == Lines{"to 2: loan_request 1 {0,1}"});
  const Lines lines = core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {}});
  CHECK(std::ranges::count(lines, answer(ENOMEM)[0]) == 1);
}

TEST_CASE("of a chunk counts what is promised, or touched if that is more") {
  Core core(with_chunks(10, 3));
  const auto take_idle = [&core](std::uint64_t idle_pages) {
    return core.step(ClientCall{tag, ChunksCall{1, no_node, 0, idle_pages}}).back();
  };
  CHECK(take_idle(2) == answer(0)[0]);
  CHECK(core.node.memory().promised() == 1);
  for (const std::uint64_t page : {0, 1, 2}) {
    core.fault(Access::write, page);
    CHECK(core.node.memory().promised() == page + 1);
  }
  give_back(core);
  CHECK(core.node.memory().promised() == 0);
}

TEST_CASE("a page that was touched before its chunk was handed out counts from the beginning") {
  Core core(with_chunks(4, 2));
  CHECK(take(core, 1) == answer(0));
  give_back(core);
  core.fault(Access::write, 5);
  CHECK(core.node.memory().promised() == 1);
  CHECK(core.step(ClientCall{tag, ChunksCall{1, no_node, 0, pages_per_chunk}}) == answer(0));
  CHECK(core.node.memory().promised() == 1);
  give_back(core);
  CHECK(core.node.memory().promised() == 0);
}

TEST_CASE("of chunks that are hardly touched only what is touched counts") {
  Core core(with_chunks(4, 2));
  CHECK(core.step(ClientCall{tag, ChunksCall{1, no_node, 0, pages_per_chunk}}) == answer(0));
  core.fault(Access::write, 5);
  core.fault(Access::write, 6);
  CHECK(core.node.memory().promised() == 2);
  CHECK(take(core, 1).back().starts_with("to 1: loan_request 1 "));
  give_back(core);
  CHECK(core.node.memory().promised() == 0);
  CHECK(take(core, 1).back() == answer(0)[0]);
}

TEST_CASE("what a block leaves of its last chunk is not promised") {
  // Of which 1/32 is kept back.
  Core core(with_chunks(1 + pages_per_chunk + 2 + 16, pages_per_chunk));
  CHECK(take(core, 2).back().starts_with("to 1: loan_request 2 "));
  CHECK(core.step(ClientCall{tag, ChunksCall{2, no_node, 0, pages_per_chunk - 2}}).back() ==
        answer(0)[0]);
}

TEST_CASE("of a chunk that is claimed all pages count, if there is memory for them") {
  Core core(with_chunks(6, 4));
  CHECK(core.step(ClientCall{tag, ChunksCall{1, no_node, 0, 3}}) == answer(0));
  core.fault(Access::write, 0);
  CHECK(core.node.memory().promised() == 1);
  const ClientCall claim{tag, ClaimChunkCall{address_of(0)}};
  CHECK(core.step(claim) == answer(0));
  CHECK(core.node.memory().promised() == 4);
  CHECK(core.step(claim) == answer(0));  // again
  CHECK(core.node.memory().promised() == 4);
  CHECK(core.step(ClientCall{tag, ChunksCall{1, no_node, 0, 3}}) == answer(0));
  const ClientCall second{tag, ClaimChunkCall{address_of(1)}};
  CHECK(core.step(second) == answer(ENOMEM));
  CHECK(core.node.memory().promised() == 5);
  const ClientCall of_another{{ClientId{1}, 0, 0}, ClaimChunkCall{address_of(0)}};
  CHECK(core.step(of_another) == Lines{"reply to client 1 slot 0: " + std::to_string(EINVAL)});
  for (const std::uint64_t address : {address_of(0) + 1, address_of(9), std::uint64_t{0}})
    CHECK(core.step(ClientCall{tag, ClaimChunkCall{address}}) == answer(EINVAL));
}

TEST_CASE("a chunk of another home is claimed there, if it was lent to that node") {
  Config config = with_frames(1, 6);
  config.chunk_frames = 4;
  Core core(config);
  core.from(2, by(2, 7), LoanRequest{1, no_chunk, false, 3});
  CHECK(core.from(0, by(1, 1), ChunkGrant{ChunkNo{1}, 1}) ==
        Lines{"to 2: loan chunk 1 + 1 {2,7}"});
  CHECK(core.node.memory().promised() == 1);
  const LoanRequest claim{1, ChunkNo{1}, false, 0, true};
  CHECK(core.from(0, by(0, 8), claim) == Lines{"to 0: loan chunk 0 + 0 {0,8}"});
  CHECK(core.from(2, by(2, 8), claim) == Lines{"to 2: loan chunk 1 + 1 {2,8}"});
  CHECK(core.node.memory().promised() == 4);
}

TEST_CASE("who claims a chunk asks its home, and nobody else") {
  Core core(0);
  CHECK(take(core, 1, NodeId{2}) == Lines{"to 2: loan_request 1 {0,1}"});
  CHECK(core.from(2, by(0, 1), Loan{ChunkNo{1}, 1}).size() == 1);
  const ClientCall claim{tag, ClaimChunkCall{address_of(1)}};
  CHECK(core.step(claim) == Lines{"to 2: loan_request claim chunk 1 {0,2}"});
  CHECK(core.from(2, by(0, 2), Loan{}) == answer(ENOMEM));
  CHECK(core.step(claim) == Lines{"to 2: loan_request claim chunk 1 {0,3}"});
  CHECK(core.from(2, by(0, 3), Loan{ChunkNo{1}, 1}).size() == 1);
  CHECK(core.step(claim) == Lines{"to 2: loan_request claim chunk 1 {0,4}"});
  core.step(ClientCall{{ClientId{0}, 7, 0}, ReturnChunksCall{address_of(1), 1}});
  CHECK(core.from(2, by(0, 4), Loan{ChunkNo{1}, 1}) == answer(EINVAL));
}

TEST_CASE("a home lends from its pool, or asks for fresh chunks") {
  Core core(1);
  CHECK(core.from(2, by(2, 7), LoanRequest{1, no_chunk}) == Lines{"to 0: chunk_request 1 {1,1}"});
  CHECK(core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 2}) == Lines{"to 2: loan chunk 0 + 1 {2,7}"});
  CHECK(core.from(2, by(2, 8), LoanRequest{1, ChunkNo{1}}) ==
        Lines{"to 2: loan chunk 1 + 1 {2,8}"});
  CHECK(core.from(2, by(2, 9), LoanRequest{1, ChunkNo{1}}) ==
        Lines{"to 2: loan chunk 0 + 0 {2,9}"});
}

TEST_CASE("that nobody has a chunk is no answer to who comes after the question") {
  Core core(1);
  const CallTag other{ClientId{0}, 5, 0};
  CHECK(core.step(ClientCall{tag, HomeCall{region_base}}) ==
        Lines{"to 0: chunk_query chunk 0 {1,1}"});
  CHECK(core.step(ClientCall{other, HomeCall{region_base}}).empty());
  CHECK(core.from(0, by(1, 1), ChunkHome{ChunkNo{0}, no_node}) ==
        Lines{"to 0: chunk_query chunk 0 {1,2}", "reply to client 0 slot 0: 22"});
  CHECK(core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{2}}) ==
        Lines{"reply to client 0 slot 5: 0"});
}

TEST_CASE("a request that is faster than the grant waits for it") {
  Core core(1);
  take(core, 1);
  CHECK(core.from(2, by(2, 1), PageRequest{RequestKind::write, PageNo{5}, 0}).empty());
  CHECK(core.from(2, by(2, 1), Hasten{PageNo{5}, NodeId{2}, 300}).empty());
  CHECK(core.from(2, by(2, 2), PageRequest{RequestKind::read, PageNo{600}, 0}).empty());
  CHECK(core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 1}) ==
        Lines{"reply to client 0 slot 0: 0", "to 2: grant page 5 v1 write acks 0 zero {2,1}",
              "drop peer 2: a message that the protocol does not allow in this state"});
}

TEST_CASE("early is what the protocol lets a peer have under way, and no more") {
  const auto dropped = [](const Lines& lines) {
    return lines.size() == 1 && lines[0].starts_with("drop peer 2");
  };
  const auto read = [](std::uint64_t page) {
    return PageRequest{RequestKind::read, PageNo{page}, 0};
  };
  Config config = Core::make_config(1, 4);
  config.max_outstanding = 2;
  Core core(config);
  take(core, 1);
  CHECK(dropped(core.from(2, by(2, 1), Hasten{PageNo{5}, NodeId{2}, 300})));  // of no request
  CHECK(core.from(2, by(2, 1), read(5)).empty());
  CHECK(dropped(core.from(2, by(2, 2), read(5))));  // one a page
  CHECK(dropped(core.from(2, by(2, 2), Hasten{PageNo{5}, NodeId{2}, 300})));
  for (unsigned i = 0; i < 5; ++i)
    CHECK(core.from(2, by(2, 1), Hasten{PageNo{5}, NodeId{2}, 300 - i}).empty());
  // Two, and those that were its oldest.
  for (std::uint64_t page = 6; page < 6 + 1 + 256; ++page)
    CHECK(core.from(2, by(2, page), read(page)).empty());
  CHECK(dropped(core.from(2, by(2, 900), read(400))));
  CHECK(core.from(0, by(0, 1), read(5)).empty());  // another node has its own
  const Lines lines = core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 1});
  REQUIRE(lines.size() == 1 + 2 + 256);
  CHECK(lines[1] == "to 2: grant page 5 v0 read acks 0 zero {2,1}");
}

TEST_CASE("in memory that nobody was given yet there is nothing to wait at") {
  Core core(1);
  take(core, 1);
  const auto say = [&](SyncOperation operation, std::uint64_t argument = 0) {
    return core.from(2, by(2, 1), SyncRequest{region_base + 64, ThreadId{9}, operation,
                                              SyncKind::normal, argument});
  };
  CHECK(say(SyncOperation::take) == Lines{"to 2: sync_reply 22 {2,1}"});
  CHECK(say(SyncOperation::withdraw, ETIMEDOUT).empty());  // its answer is on its way already
  CHECK(core.from(0, by(1, 1), ChunkGrant{ChunkNo{0}, 1}) == answer(0));
}

TEST_CASE("the chunk behind is had if it is free and of the same home") {
  Core core(0);
  CHECK(take(core, 1) == answer(0));
  CHECK(take(core, 1, no_node, address_of(1)) == answer(ENOMEM));  // nobody's yet
  CHECK(take(core, 1) == answer(0));
  core.step(ClientCall{tag, ReturnChunksCall{address_of(1), 1}});
  core.wait(1);
  CHECK(core.step(ClientCall{{ClientId{1}, 0, 0}, ChunksCall{1, no_node, address_of(1)}}).at(0) ==
        "reply to client 1 slot 0: " + std::to_string(ENOMEM));  // not behind its own
  CHECK(take(core, 1, no_node, address_of(0)) == answer(ENOMEM));
  CHECK(take(core, 1, no_node, address_of(1)) == answer(0));
}

TEST_CASE("what no honest peer says about loans drops it") {
  const auto dropped = [](const Lines& lines) {
    return lines.size() == 1 && lines[0].starts_with("drop peer 2");
  };
  Core core(1);
  CHECK(dropped(core.from(2, by(2, 1), LoanRequest{0, no_chunk})));
  CHECK(dropped(core.from(2, by(2, 1), LoanRequest{9, no_chunk})));
  CHECK(dropped(core.from(2, by(2, 1), LoanRequest{1, ChunkNo{9}})));
  CHECK(dropped(core.from(2, by(2, 1), LoanRequest{1, no_chunk, false, 0, true})));
  CHECK(dropped(core.from(2, by(2, 1), LoanRequest{2, ChunkNo{1}, false, 0, true})));
  CHECK(dropped(core.from(2, by(1, 1), Loan{ChunkNo{0}, 1})));  // not asked for
  take(core, 1, NodeId{0});
  CHECK(dropped(core.from(2, by(1, 1), Loan{ChunkNo{0}, 1})));  // asked of another
  take(core, 1, NodeId{2});
  CHECK(dropped(core.from(2, by(1, 2), Loan{ChunkNo{9}, 1})));
  take(core, 1, NodeId{2});
  CHECK(dropped(core.from(2, by(1, 3), Loan{ChunkNo{0}, 2})));
}
