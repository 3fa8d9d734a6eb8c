#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

PageRequest ask(RequestKind kind, TimeUs since_us = 1'000) { return {kind, PageNo{5}, since_us}; }

Config of_four_nodes() {
  Config config = Core::make_config(0, 4);
  config.nodes = NodeSet{15};
  return config;
}

}  // namespace

TEST_CASE("an upgrade whose copy is gone becomes a write") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  core.from(1, by(1, 1), Done{PageNo{5}});
  CHECK(core.from(2, by(2, 1), ask(RequestKind::upgrade)) ==
        Lines{"to 1: recall to invalid page 5 v2 for node 2 acks 0 {2,1}"});
}

TEST_CASE("the oldest of the waiting requests is next") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  CHECK(core.fault(Access::write, 5).empty());
  CHECK(core.from(2, by(2, 1), ask(RequestKind::write, 5'000)).empty());
  CHECK(core.from(1, by(1, 1), Done{PageNo{5}}) ==
        Lines{"to 1: recall to invalid page 5 v2 for node 2 acks 0 {2,1}"});
}

TEST_CASE("a second request of a node for the same page drops it") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  CHECK(core.from(1, by(1, 2), ask(RequestKind::read)).at(0).starts_with("drop peer 1"));
}

TEST_CASE("an owner that asks for its page is dropped and the page stays free") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  core.from(1, by(1, 1), Done{PageNo{5}});
  CHECK(core.from(1, by(1, 2), ask(RequestKind::read)).at(0).starts_with("drop peer 1"));
  CHECK(core.from(2, by(2, 1), ask(RequestKind::read)) ==
        Lines{"to 1: recall to shared page 5 v1 for node 2 acks 0 {2,1}"});
}

TEST_CASE("a queued request that is wrong by its turn drops who sent it, not who was before it") {
  Core core(0);
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::read));
  core.from(1, by(1, 1), Done{PageNo{5}});
  core.from(2, by(2, 1), ask(RequestKind::read));
  core.from(1, by(1, 2), ask(RequestKind::read));  // it has a copy
  CHECK(core.from(2, by(2, 1), Done{PageNo{5}}) ==
        Lines{"drop peer 1: it asked for a page that it has"});
}

TEST_CASE("whoever was asked hears of an older request that is queued behind") {
  Core core(of_four_nodes());
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  core.from(1, by(1, 1), Done{PageNo{5}});
  core.from(2, by(2, 1), ask(RequestKind::write));
  CHECK(core.from(3, by(3, 1), ask(RequestKind::write, 300)) ==
        Lines{"to 1: hasten page 5 for node 3 since 300 us {2,1}"});
}

TEST_CASE("an older access that joins a queued request is passed on, once") {
  Core core(of_four_nodes());
  give_chunk(core);
  core.from(1, by(1, 1), ask(RequestKind::write));
  core.from(1, by(1, 1), Done{PageNo{5}});
  core.from(2, by(2, 1), ask(RequestKind::write, 950));
  CHECK(core.from(3, by(3, 1), ask(RequestKind::write)).empty());
  const Hasten older{PageNo{5}, NodeId{3}, 300};
  CHECK(core.from(3, by(3, 1), older) ==
        Lines{"to 1: hasten page 5 for node 3 since 300 us {2,1}"});
  CHECK(core.from(3, by(3, 1), older).empty());
  CHECK(core.from(3, by(3, 9), Hasten{PageNo{5}, NodeId{3}, 100}).empty());  // not its request
}
