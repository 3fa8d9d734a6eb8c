#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

BlockFreed freed(std::uint64_t address, unsigned owner, std::uint64_t size_bytes = 16) {
  return {region_base + address, NodeId{static_cast<std::uint8_t>(owner)}, size_bytes};
}

Lines take(Core& core) { return core.step(ClientCall{{ClientId{0}, 0, 0}, TakeFreedCall{}}); }

}  // namespace

TEST_CASE("a batch leaves after a millisecond") {
  Core core(0);
  CHECK(core.step(freed(0x1000, 1)).empty());
  CHECK(core.wait(999).empty());
  CHECK(core.step(freed(0x2000, 1)).empty());
  CHECK(core.node.next_deadline() == core.now_us + 1);
  CHECK(core.wait(1) == Lines{"to 1: blocks_freed 2, 0x550000001000 first {255,0}"});
  CHECK(core.node.next_deadline() == 0);
}

TEST_CASE("a batch leaves with 64 blocks or 64 KiB, one node's without another's") {
  Core core(0);
  core.step(freed(0x8000, 2));
  for (unsigned i = 1; i < 64; ++i) CHECK(core.step(freed(i * 16, 1)).empty());
  CHECK(core.step(freed(0x1000, 1)) ==
        Lines{"to 1: blocks_freed 64, 0x550000000010 first {255,0}"});
  CHECK(core.step(freed(0x2000, 1, 40'000)).empty());
  CHECK(core.step(freed(0x3000, 1, 30'000)) ==
        Lines{"to 1: blocks_freed 2, 0x550000002000 first {255,0}"});
  CHECK(core.step(freed(0x4000, 1, ~std::uint64_t{0})).size() == 1);
  CHECK(core.wait(1'000) == Lines{"to 2: blocks_freed 1, 0x550000008000 first {255,0}"});
}

TEST_CASE("blocks wait for the client that has the chunk, and are taken once") {
  Core core(0);
  give_chunk(core);
  BlocksFreed many;
  for (std::uint64_t i = 1; i <= 8; ++i) many.addresses.push_back(region_base + i * 64);
  CHECK(core.from(1, {}, many).back() == "8 freed blocks for client 0");
  CHECK(core.step(freed(0x5000, 0)) == Lines{"9 freed blocks for client 0"});
  CHECK(take(core).at(0) == "4 freed blocks for client 0");
  CHECK(take(core).at(0) == "0 freed blocks for client 0");
  CHECK(take(core) == Lines{"0 freed blocks for client 0", "reply to client 0 slot 0: 0"});
}

TEST_CASE("a client's lie about a block ends nowhere") {
  Core core(0);
  CHECK(core.step(freed(0x1000, 0)).empty());  // nobody has that chunk
  for (const unsigned node : {3, 63, 64, 255}) CHECK(core.step(freed(0x1000, node)).empty());
  for (const std::uint64_t address : {std::uint64_t{0}, ~std::uint64_t{0}, region_base - 1})
    CHECK(core.step(BlockFreed{address, NodeId{1}, 16}).empty());
  CHECK(core.from(1, {}, BlocksFreed{{region_base + 0x1000}}).empty());
  CHECK(core.wait(2'000).empty());
  CHECK(core.from(1, {}, BlocksFreed{{region_base - 1}}).at(0).starts_with("drop peer 1"));
}

TEST_CASE("an owner that does not ask is ordered to, and to say that it has dealt with them") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}});
  give_chunk(core);
  const Lines order{"notify client 0"};
  core.from(1, {}, BlocksFreed{{region_base + 64}});
  CHECK(core.wait(9'999).empty());
  CHECK(core.wait(1) == order);
  core.from(1, {}, BlocksFreed{{region_base + 128}});
  CHECK(core.wait(10'000).empty());  // the first order is still there
  take(core);
  core.step(ClientCall{{}, NextOrderCall{}});
  CHECK(core.wait(10'000) == order);
  take(core);
  CHECK(core.node.next_deadline() == 0);
  CHECK(core.wait(100'000).empty());
}
