#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

TEST_CASE("the first root that is proposed stays the root") {
  Core core(0);
  CHECK(core.from(1, by(1, 1), RootRequest{0}) == Lines{"to 1: root_reply 0x0 {1,1}"});
  CHECK(core.from(1, by(1, 2), RootRequest{0x1000}) == Lines{"to 1: root_reply 0x1000 {1,2}"});
  CHECK(core.from(2, by(2, 1), RootRequest{0x2000}) == Lines{"to 2: root_reply 0x1000 {2,1}"});
  const auto asked = core.step(ClientCall{{}, RootRequest{0x3000}});
  CHECK(asked == Lines{"reply to client 0 slot 0: 0"});
}

TEST_CASE("a client's proposal goes to the coordinator") {
  Core core(1);
  CHECK(core.step(ClientCall{{}, RootRequest{0x3000}}) ==
        Lines{"to 0: root_request 0x3000 {1,1}"});
  CHECK(core.from(0, by(1, 1), RootReply{0x1000}) == Lines{"reply to client 0 slot 0: 0"});
}

TEST_CASE("who is not the coordinator neither keeps nor gives a root") {
  Core core(1);
  CHECK(core.from(2, by(2, 1), RootRequest{0x1000})[0].starts_with("drop peer 2"));
  core.step(ClientCall{{}, RootRequest{0}});
  CHECK(core.from(2, by(1, 1), RootReply{0x1000})[0].starts_with("drop peer 2"));
}

TEST_CASE("a new coordinator answers nobody before all members have said which root they know") {
  Core core(1);
  core.step(MemberRemoved{NodeId{0}, NodeId{2}, Epoch{2}, {}});
  CHECK(core.from(2, by(2, 5), RootRequest{0x2000}, Epoch{2}).empty());
  CHECK(core.from(2, {}, RootRequest{0x1000}, Epoch{2}) ==
        Lines{"to 2: root_reply 0x1000 {2,5}"});
  CHECK(core.from(2, {}, RootRequest{0x3000}, Epoch{2})[0].starts_with("drop peer 2"));
}
