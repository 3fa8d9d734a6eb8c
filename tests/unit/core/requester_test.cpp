#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

// Node 1 asks node 0, the home of chunk 0; transaction 1 was the question for the home.
void ask(Core& core, Access access) {
  const auto lines = core.fault(access, 5);
  REQUIRE(lines == Lines{"to 0: chunk_query chunk 0 {1,2}"});
  REQUIRE(core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}}).size() == 1);
}

}  // namespace

TEST_CASE("acknowledgements may come before the bytes") {
  Core core(1);
  ask(core, Access::write);
  CHECK(core.from(2, by(1, 1), InvalidateAck{PageNo{5}}).empty());
  CHECK(core.from(0, by(1, 1), PageData{PageNo{5}, Version{3}, Access::write, 1}) ==
        Lines{"install page 5 write from message client 0", "to 0: done page 5 {1,1}"});
}

TEST_CASE("bytes that come before the acknowledgements are stored out of sight") {
  Core core(1);
  ask(core, Access::write);
  CHECK(core.from(0, by(1, 1), PageData{PageNo{5}, Version{3}, Access::write, 1}) ==
        Lines{"store page 5"});
  CHECK(core.state(5) == PageState::installing);
  CHECK(core.from(2, by(1, 1), InvalidateAck{PageNo{5}}) ==
        Lines{"install page 5 write from present client 0", "to 0: done page 5 {1,1}"});
}

TEST_CASE("the same fault twice asks once") {
  Core core(1);
  ask(core, Access::read);
  CHECK(core.fault(Access::read, 5).empty());
  CHECK(core.counts().faults_seen == 1);
}

TEST_CASE("a read cannot be answered by an upgrade") {
  Core core(1);
  ask(core, Access::read);
  const auto lines = core.from(0, by(1, 1), Grant{PageNo{5}, Version{1}, Access::write, 0, false});
  CHECK(lines.at(0).starts_with("drop peer 0"));
}
