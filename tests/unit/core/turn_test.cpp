#include "core/turn.hpp"

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

PageRequest write(std::uint64_t page, TimeUs since_us) {
  return {RequestKind::write, PageNo{page}, since_us};
}

// Node 0, home of chunk 0, had page 5, wrote page 6 of node 1, and waits for page 6 again.
struct Contended : Core {
  Contended() : Core(0) {
    give_chunk(*this);
    fault(Access::write, 5);
    fault(Access::write, 6);
    wait(200);
    from(1, by(1, 1), PageRequest{RequestKind::write, PageNo{6}, 1});
    from(1, by(1, 1), Done{PageNo{6}});
    // Long enough ago for the hold of page 5 to be over while it waits for page 6.
    fault(Access::write, 6);
    since_us = now_us;
    wait(5'000);
  }
  TimeUs since_us = 0;
};

}  // namespace

TEST_CASE("of two accesses the older goes first, of equal ones that of the lower node") {
  CHECK(Turn{10, NodeId{3}} < Turn{11, NodeId{0}});
  CHECK(Turn{10, NodeId{0}} < Turn{10, NodeId{1}});
}

TEST_CASE("the job's time never goes back, and is nobody's clock in particular") {
  JobClock clock;
  CHECK(clock.at(100) == 100);
  clock.hear(5'000, 200);
  CHECK(clock.at(200) == 5'000);
  CHECK(clock.at(300) == 5'100);
  clock.hear(400, 350);
  CHECK(clock.at(350) == 5'150);
}

TEST_CASE("an access keeps what it has from one that is a microsecond younger") {
  Contended core;
  const Turn own{core.node.requester().pending().at(PageNo{6}).since_us, NodeId{0}};
  CHECK(core.from(2, by(2, 1), write(5, own.since_us + 1)).empty());
}

TEST_CASE("and gives it to one that is a microsecond older") {
  Contended core;
  const Turn own{core.node.requester().pending().at(PageNo{6}).since_us, NodeId{0}};
  CHECK(core.from(2, by(2, 1), write(5, own.since_us - 1)).size() == 4);
}

TEST_CASE("an access that begins after another was heard of is younger than that") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), write(5, 50'000'000));
  core.fault(Access::write, 5);
  CHECK(core.node.requester().pending().at(PageNo{5}).since_us >= 50'000'000);
}

// A cycle through something else than pages would last as long.
TEST_CASE("no access keeps a page for longer than a fifth of a second") {
  Contended core;
  core.wait(10'000'000);
  const Turn own{core.node.requester().pending().at(PageNo{6}).since_us, NodeId{0}};
  CHECK(core.from(2, by(2, 1), write(5, own.since_us + 1)).empty());
  CHECK(core.wait(199'000).empty());
  CHECK(core.wait(2'000).size() == 4);
}
