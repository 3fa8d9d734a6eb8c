#include "net/timer.hpp"

#include "support.hpp"

using namespace gallocy::net;
using namespace gallocy::net::test;

TEST_CASE("timers fire in the order of their deadlines, equal ones in the order of arming") {
  TimerQueue queue;
  std::vector<std::uint64_t> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  std::minstd_rand random(7);
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const std::uint64_t at = 1 + random() % 100;
    timers.push_back(std::make_unique<Timer>(queue, [&, at, i] { fired.push_back(at << 32 | i); }));
    timers.back()->arm(at);
    expected.push_back(at << 32 | i);
  }
  for (std::size_t i = 0; i < 500; i += 3) {
    timers[i]->cancel();
    std::erase_if(expected, [i](std::uint64_t e) { return (e & 0xffff'ffff) == i; });
  }
  std::sort(expected.begin(), expected.end());
  queue.fire(50);
  CHECK(std::all_of(fired.begin(), fired.end(), [](auto e) { return e >> 32 <= 50; }));
  CHECK(queue.first_us() > 50);
  queue.fire(100);
  CHECK(fired == expected);
  CHECK(queue.empty());
}

TEST_CASE("a timer that is always due leaves the others their turn") {
  TimerQueue queue;
  int greedy_count = 0;
  bool modest = false;
  Timer* self = nullptr;
  Timer greedy(queue, [&] { ++greedy_count; self->arm(0); });
  self = &greedy;
  Timer other(queue, [&] { modest = true; });
  greedy.arm(1);
  other.arm(10);
  queue.fire(20);
  CHECK(greedy_count == 1);
  CHECK(modest);
  queue.fire(30);
  CHECK(greedy_count == 2);
}

TEST_CASE("a callback may cancel others; a destroyed timer does not fire") {
  TimerQueue queue;
  bool fired = false;
  Timer victim(queue, [&] { fired = true; });
  auto gone = std::make_unique<Timer>(queue, [&] { fired = true; });
  Timer killer(queue, [&] { victim.cancel(); gone.reset(); });
  killer.arm(1);
  victim.arm(2);
  gone->arm(2);
  queue.fire(5);
  CHECK(!fired);
}

TEST_CASE("the ring sleeps until a timer and no longer") {
  const auto ring = make_ring();
  bool fired = false;
  Timer timer(ring->timers(), [&] { fired = true; });
  const std::uint64_t begin = now_us();
  timer.arm(begin + 20'000);
  CHECK(run_until(*ring, [&] { return fired; }));
  CHECK(now_us() - begin >= 20'000);
  CHECK(now_us() - begin < 5'000'000);
}
