#include <cerrno>

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

Lines prefetch(Core& core, std::uint64_t page, std::uint64_t count) {
  return core.step(ClientCall{
      {}, PrefetchCall{region_base + page * page_bytes, count * page_bytes}});
}

// Node 1 knows that chunk 0 is homed at node 0.
struct Asking : Core {
  explicit Asking(const Config& config = make_config(1, 4)) : Core(config) {
    prefetch(*this, 0, 1);
    from(0, by(1, 1), ChunkHome{ChunkNo{0}, NodeId{0}});
    from(0, by(1, 2), PrefetchAnswer{PageNo{0}, 0});
  }
};

}  // namespace

TEST_CASE("what is no memory of the region is no range to prefetch") {
  Core core(1);
  const std::string refused = "reply to client 0 slot 0: " + std::to_string(EINVAL);
  CHECK(core.step(ClientCall{{}, PrefetchCall{region_base - 1, 2}}) == Lines{refused});
  CHECK(core.step(ClientCall{{}, PrefetchCall{region_base, ~std::uint64_t{0}}}) == Lines{refused});
  CHECK(prefetch(core, 0, 2 * pages_per_chunk + 1) == Lines{refused});
}

TEST_CASE("a range is asked for in windows, and pages that are here or asked for are not") {
  Asking core;
  CHECK(prefetch(core, 60, 6) ==
        Lines{"reply to client 0 slot 0: 0",
              "to 0: prefetch_request from page 0 mask 0xf000000000000000 {1,3}",
              "to 0: prefetch_request from page 64 mask 0x3 {1,4}"});
  CHECK(prefetch(core, 60, 5) == Lines{"reply to client 0 slot 0: 0"});
}

TEST_CASE("more than may be outstanding waits for the answers") {
  Config config = Core::make_config(1, 4);
  config.max_prefetched = 64;
  Asking core(config);
  CHECK(prefetch(core, 0, 128).size() == 2);
  CHECK(core.from(0, by(1, 3), PrefetchAnswer{PageNo{0}, 0}) ==
        Lines{"to 0: prefetch_request from page 64 mask 0xffffffffffffffff {1,4}"});
}

TEST_CASE("nothing is evicted for a hint, and accesses keep half of the cache") {
  Config config = Core::make_config(1, 4);
  config.cache_min_pages = 8;
  config.memory_pages = config.slot_count + 9;
  Asking core(config);
  CHECK(prefetch(core, 0, 64) == Lines{"reply to client 0 slot 0: 0",
                                       "to 0: prefetch_request from page 0 mask 0xf {1,3}"});
}

TEST_CASE("an access waits for what the home has granted, and asks for what it has left out") {
  Asking core;
  prefetch(core, 5, 2);
  CHECK(core.fault(Access::read, 5, 1).empty());
  CHECK(core.fault(Access::read, 6, 2).empty());
  CHECK(core.from(0, by(1, 3), PrefetchAnswer{PageNo{0}, 0x20}) ==
        Lines{"to 0: read_request page 6 {1,5}"});
  CHECK(core.from(0, by(1, 3), PrefetchData{PageNo{5}, Version{9}}) ==
        Lines{"store page 5", "install page 5 read from present client 0"});
}

TEST_CASE("bytes that were invalidated on their way are dropped, once") {
  Asking core;
  prefetch(core, 5, 1);
  core.from(0, by(1, 3), PrefetchAnswer{PageNo{0}, 0x20});
  CHECK(core.from(0, by(2, 1), Invalidate{PageNo{5}, NodeId{2}, 0}) ==
        Lines{"to 2: invalidate_ack page 5 {2,1}"});
  CHECK(core.node.memory().pinned() == 0);
  CHECK(core.from(0, by(1, 3), PrefetchData{PageNo{5}, Version{9}}).empty());
  CHECK(core.state(5) == PageState::invalid);
  CHECK(core.from(0, by(1, 3), PrefetchData{PageNo{5}, Version{9}}).at(0).starts_with("drop peer"));
}

TEST_CASE("a home gives no page inside its hold, none that is busy, zero or elsewhere") {
  Core core(0);
  give_chunk(core);
  for (const std::uint64_t page : {5, 6, 7}) core.fault(Access::write, page);
  core.wait(1'000);
  core.from(2, by(2, 1), PageRequest{RequestKind::write, PageNo{6}, 0});  // busy
  core.from(2, by(2, 2), PageRequest{RequestKind::write, PageNo{7}, 0});
  core.from(2, by(2, 2), Done{PageNo{7}});
  core.fault(Access::read, 8, 2);
  core.fault(Access::write, 9, 2);
  CHECK(core.from(1, by(1, 1), PrefetchRequest{PageNo{0}, 0x3e0}) ==
        Lines{"to 1: prefetch_answer from page 0 mask 0x20 {1,1}", "protect page 5",
              "to 1: prefetch_data page 5 v1 {1,1} + frame"});
  // It is a sharer now: it is not given the page twice, and has to acknowledge a write.
  CHECK(core.from(1, by(1, 2), PrefetchRequest{PageNo{0}, 0x20}) ==
        Lines{"to 1: prefetch_answer from page 0 mask 0x0 {1,2}"});
  CHECK(core.fault(Access::write, 5).at(0).starts_with("to 1: invalidate page 5 for node 0"));
}

TEST_CASE("who is not the home, as far as it knows, gives nothing, and may send nothing") {
  Core core(1);
  CHECK(core.from(2, by(2, 1), PrefetchRequest{PageNo{0}, 1}) ==
        Lines{"to 2: prefetch_answer from page 0 mask 0x0 {2,1}"});
  CHECK(core.from(2, by(1, 9), PrefetchData{PageNo{5}, Version{1}}).at(0).starts_with("drop peer"));
}
