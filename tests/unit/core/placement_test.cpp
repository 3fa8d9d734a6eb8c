#include "core/placement.hpp"

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

// Nodes 0, 1 and 3; the creator is node 1.
struct Chooser {
  explicit Chooser(PlacementPolicy policy) : config(make_config(policy)) {
    live[1] = 1;  // main()
  }
  static Config make_config(PlacementPolicy policy) {
    Config config;
    config.self = NodeId{1};
    config.nodes = NodeSet{0b1011};
    config.placement = policy;
    config.cpus[0] = config.cpus[3] = 1;
    config.cpus[1] = 2;
    return config;
  }
  // Where the next `count` threads go, none of which ends.
  std::string choose(unsigned count) {
    std::string nodes;
    for (unsigned i = 0; i < count; ++i) {
      const NodeId node = placement.choose(live);
      ++live[raw(node)];
      nodes += std::to_string(raw(node));
    }
    return nodes;
  }
  Config config;
  LiveThreads live{};
  Placement placement{config};
};

}  // namespace

TEST_CASE("spread fills the idlest node, in turn among equals") {
  Chooser chooser(PlacementPolicy::spread);
  CHECK(chooser.choose(5) == "30130");
  chooser.live = {5, 0, 0, 5};
  CHECK(chooser.choose(6) == "111113");
}

TEST_CASE("round robin looks at nothing but the turn") {
  Chooser chooser(PlacementPolicy::round_robin);
  chooser.live[3] = 9;
  CHECK(chooser.choose(5) == "30130");
}

TEST_CASE("pack gives each CPU of the creator's node a thread, then of the next; then it spreads") {
  Chooser chooser(PlacementPolicy::pack);
  CHECK(chooser.choose(3) == "130");
  CHECK(chooser.choose(3) == "301");
  chooser.live[3] = 0;
  CHECK(chooser.choose(1) == "3");
}

TEST_CASE("with one node there is no choice") {
  for (const auto policy :
       {PlacementPolicy::spread, PlacementPolicy::pack, PlacementPolicy::round_robin}) {
    Chooser chooser(policy);
    chooser.config.nodes = NodeSet{NodeId{1}};
    CHECK(chooser.choose(3) == "111");
  }
}
