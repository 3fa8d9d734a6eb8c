#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

PageRequest write(std::uint64_t page, TimeUs since_us = 1'000) {
  return {RequestKind::write, PageNo{page}, since_us};
}

}  // namespace

TEST_CASE("a recall waits for the end of the hold, and no longer") {
  Core core(0);
  give_chunk(core);
  core.fault(Access::write, 5);
  CHECK(core.from(1, by(1, 1), write(5)).empty());
  CHECK(core.node.next_deadline() == core.now_us + 100);
  CHECK(core.wait(99).empty());
  CHECK(core.wait(1) == Lines{"protect page 5", "capture page 5 in slot 0", "drop page 5",
                              "to 1: page_data page 5 v2 write acks 0 {1,1} + slot 0"});
}

TEST_CASE("without a free slot recalls wait, and the oldest is served first") {
  Core core(0, 1);
  give_chunk(core);
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::write, page);
  core.wait(1'000);
  CHECK(core.from(1, by(1, 1), write(5)).size() == 4);
  CHECK(core.from(1, by(1, 2), write(6)).empty());
  CHECK(core.from(2, by(2, 1), write(7, 100)).empty());
  const auto lines = core.from(1, by(1, 1), Done{PageNo{5}});  // releases the slot
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] == "capture page 7 in slot 0");
}

TEST_CASE("a slot goes to the next page when the oldest has to wait again") {
  Core core(0, 1);
  give_chunk(core);
  for (const std::uint64_t page : {5, 6}) core.fault(Access::write, page);
  core.fault(Access::write, 7, 2);
  core.wait(1'000);
  core.from(1, by(1, 1), write(5));
  core.from(1, by(1, 2), write(6, 990));
  core.from(2, by(2, 1), write(7));
  core.entries[6].hold_until_us = core.now_us + 500;  // as a grant to its thread would
  const auto lines = core.from(1, by(1, 1), Done{PageNo{5}});
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] == "capture page 7 in slot 0");
}

TEST_CASE("what waits for a slot moves forward when an older access is heard of") {
  Core core(0, 1);
  give_chunk(core);
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::write, page);
  core.wait(1'000);
  core.from(1, by(1, 1), write(5));
  CHECK(core.from(1, by(1, 2), write(6, 900)).empty());
  CHECK(core.from(2, by(2, 1), write(7, 950)).empty());
  core.from(2, by(2, 1), Hasten{PageNo{7}, NodeId{2}, 100});
  const auto lines = core.from(1, by(1, 1), Done{PageNo{5}});  // releases the slot
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] == "capture page 7 in slot 0");
}
