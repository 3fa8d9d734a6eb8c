#include "core/holds.hpp"

#include <doctest/doctest.h>

using namespace gallocy;
using namespace gallocy::core;

namespace {

constexpr FaultingThread who{ClientId{0}, 1};
const auto none = [](PageNo, Access) { return false; };
const auto all = [](PageNo, Access) { return true; };

}  // namespace

TEST_CASE("losing a page again doubles the hold, a new page resets it") {
  const Config config;
  const JobClock clock;
  Holds holds(config, clock);
  holds.on_miss(who, PageNo{1}, Access::read, 10);
  CHECK(holds.hold_us(who) == 100);
  holds.on_miss(who, PageNo{1}, Access::read, 20);
  CHECK(holds.hold_us(who) == 200);
  holds.on_miss(who, PageNo{2}, Access::read, 30);
  CHECK(holds.hold_us(who) == 100);
}

TEST_CASE("a thread that asks for something has used its pages") {
  const Config config;
  const JobClock clock;
  Holds holds(config, clock);
  for (TimeUs now_us = 10; now_us < 60; now_us += 10)
    holds.on_miss(who, PageNo{1}, Access::write, now_us);
  CHECK(holds.hold_us(who) > 100);
  CHECK(holds.recently_granted(who, PageNo{1}));
  holds.on_progress(who);
  CHECK(!holds.recently_granted(who, PageNo{1}));
  CHECK(holds.on_miss(who, PageNo{1}, Access::write, 70) == 70);
  CHECK(holds.hold_us(who) == 100);
}

TEST_CASE("an access that loses one page while it waits for another keeps its age") {
  const Config config;
  const JobClock clock;
  Holds holds(config, clock);
  holds.on_miss(who, PageNo{1}, Access::write, 10);
  CHECK(holds.on_miss(who, PageNo{2}, Access::write, 20) == 20);
  holds.on_granted(who, 500, none);
  CHECK(holds.on_miss(who, PageNo{1}, Access::write, 510) == 20);
}

TEST_CASE("an access that had all its pages together is over") {
  const Config config;
  const JobClock clock;
  Holds holds(config, clock);
  holds.on_miss(who, PageNo{1}, Access::write, 10);
  holds.on_granted(who, 20, all);
  CHECK(holds.on_miss(who, PageNo{1}, Access::write, 900) == 900);
}

// One instruction may read and write the same page, and need another one besides.
TEST_CASE("an access that reads a page and then writes it keeps its age") {
  const Config config;
  const JobClock clock;
  Holds holds(config, clock);
  holds.on_miss(who, PageNo{1}, Access::read, 10);
  holds.on_miss(who, PageNo{2}, Access::read, 20);
  holds.on_granted(who, 30, all);
  CHECK(holds.on_miss(who, PageNo{2}, Access::write, 40) == 20);
  holds.on_granted(who, 50, all);
  CHECK(holds.on_miss(who, PageNo{2}, Access::write, 900) == 900);
}
