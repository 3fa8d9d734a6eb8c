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

TEST_CASE("the oldest access does not wait for its turn, not even if it comes last") {
  Config config = Core::make_config(1, 4);
  config.max_outstanding = 1;
  Core core(config);
  core.fault(Access::write, 6, 3);
  REQUIRE(core.from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}}) ==
          Lines{"to 0: write_request page 6 {1,1}"});
  core.from(0, by(1, 1), Grant{PageNo{6}, Version{1}, Access::write, 0, true});
  core.wait(1'000);
  CHECK(core.fault(Access::write, 9, 3) == Lines{"to 0: write_request page 9 {1,3}"});
  // It loses page 6 while it waits for page 9, and will need it again.
  const Recall recall{Access::write, PageNo{6}, NodeId{2}, Version{2}, 0, 1};
  CHECK(core.from(0, by(2, 1), recall).size() == 4);
  core.from(0, by(1, 3), Grant{PageNo{9}, Version{1}, Access::write, 0, true});
  core.wait(10);
  CHECK(core.fault(Access::write, 5, 1) == Lines{"to 0: write_request page 5 {1,4}"});
  core.wait(10);
  CHECK(core.fault(Access::write, 6, 2).empty());
  CHECK(core.fault(Access::write, 6, 3) == Lines{"to 0: write_request page 6 {1,5}"});
}

TEST_CASE("a page is not kept from a younger rival if an older access here waits behind it") {
  Core core(1);
  ask(core, Access::read);  // thread 1 may need page 5 again
  core.from(0, by(1, 1), Grant{PageNo{5}, Version{0}, Access::read, 0, true});
  core.wait(1'000);
  core.fault(Access::write, 5, 2);  // its upgrade is queued at the home
  core.wait(1'000);
  core.fault(Access::read, 6, 1);
  core.wait(2'000);
  CHECK(core.from(0, by(2, 1), Invalidate{PageNo{5}, NodeId{2}, core.now_us}) ==
        Lines{"drop page 5", "to 2: invalidate_ack page 5 {2,1}"});
}

TEST_CASE("how long others kept a page is no part of its time on the road, which makes holds") {
  Core core(1);
  ask(core, Access::write);
  core.wait(5'000);
  core.from(0, by(1, 1), PageData{PageNo{5}, Version{3}, Access::write, 0, 5'000});
  const Recall recall{Access::write, PageNo{5}, NodeId{2}, Version{4}, 0, core.now_us};
  CHECK(core.from(0, by(2, 1), recall).empty());
  CHECK(core.node.next_deadline() == core.now_us + 100);
}

TEST_CASE("a thread that makes a call has used its pages, and begins with the least hold") {
  for (const bool calls : {false, true}) {
    Core core(1);
    ask(core, Access::write);
    core.from(0, by(1, 1), PageData{PageNo{5}, Version{3}, Access::write, 0});
    core.wait(1'000);
    core.from(0, by(2, 1), Recall{Access::write, PageNo{5}, NodeId{2}, Version{4}, 0, 1});
    core.from(0, by(2, 1), Release{PageNo{5}});
    if (calls) core.step(ClientCall{{}, HomeCall{region_base}, 1});
    core.fault(Access::write, 5);
    core.from(0, by(1, 3), PageData{PageNo{5}, Version{5}, Access::write, 0});
    core.from(0, by(2, 2), Recall{Access::write, PageNo{5}, NodeId{2}, Version{6}, 0, 1});
    CHECK(core.node.next_deadline() == core.now_us + (calls ? 100 : 200));
  }
}
