#include "net/ring.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "net/watch.hpp"
#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

struct Recorder final : Completion {
  std::vector<int> results;
  void complete(int result, std::uint32_t) override { results.push_back(result); }
};

}  // namespace

TEST_CASE("another thread's wake ends the sleep and shows what it wrote") {
  const auto ring = make_ring();
  std::atomic<int> posted = 0;
  int seen = 0;
  ring->on_wake([&] { seen = posted.load(std::memory_order_relaxed); });
  std::thread other([&] {
    for (int i = 1; i <= 2000; ++i) {
      posted.store(i, std::memory_order_relaxed);
      ring->wake();
      if (i % 100 == 0) usleep(100);
    }
  });
  CHECK(run_until(*ring, [&] { return seen == 2000; }));
  other.join();
}

TEST_CASE("more requests than the queue has entries are all done") {
  const auto ring = make_ring();
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const std::uint64_t one = 1;
  std::vector<Recorder> writes(10'000);
  for (Recorder& write : writes)
    ring->write(event.get(), std::as_bytes(std::span(&one, 1)), write);
  CHECK(run_until(*ring, [&] {
    return std::all_of(writes.begin(), writes.end(), [](auto& w) { return !w.in_flight(); });
  }));
  for (Recorder& write : writes) REQUIRE(write.results == std::vector<int>{8});
  std::uint64_t sum = 0;
  REQUIRE(::read(event.get(), &sum, sizeof sum) == sizeof sum);
  CHECK(sum == 10'000);
}

TEST_CASE("a cancelled request ends with its completion") {
  const auto ring = make_ring();
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  std::uint64_t room = 0;
  Recorder read;
  ring->read(event.get(), std::as_writable_bytes(std::span(&room, 1)), read);
  ring->cancel(read);
  CHECK(run_until(*ring, [&] { return !read.in_flight(); }));
  CHECK(read.results == std::vector<int>{-ECANCELED});
}

TEST_CASE("a destroyed ring has ended everything") {
  UniqueFd event(eventfd(0, EFD_CLOEXEC));
  std::uint64_t room = 0;
  Recorder read, poll;
  {
    const auto ring = make_ring();
    ring->read(event.get(), std::as_writable_bytes(std::span(&room, 1)), read);
    ring->run_once(0);
    ring->poll_multishot(event.get(), POLLIN, poll);
  }
  CHECK(read.results == std::vector<int>{-ECANCELED});
  CHECK(poll.results == std::vector<int>{-ECANCELED});
}

TEST_CASE("a watch reports every arrival, and can be told to look again") {
  const auto ring = make_ring();
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
  const std::uint64_t five = 5;
  int taken = 0;
  std::unique_ptr<Watch> watch;
  watch = std::make_unique<Watch>(*ring, event.get(), POLLIN, [&](int ready) {
    REQUIRE((ready & POLLIN) != 0);
    std::uint64_t one = 0;
    if (::read(event.get(), &one, sizeof one) != sizeof one) return;
    ++taken;
    watch->look_again();
  });
  for (int round = 1; round <= 50; ++round) {
    REQUIRE(::write(event.get(), &five, sizeof five) == sizeof five);
    REQUIRE(run_until(*ring, [&] { return taken == 5 * round; }));
  }
  watch.reset();
  REQUIRE(::write(event.get(), &five, sizeof five) == sizeof five);
  run_for(*ring, 1000);
  CHECK(taken == 250);
}

TEST_CASE("a watch may be destroyed by its own callback") {
  const auto ring = make_ring();
  UniqueFd event(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  int calls = 0;
  std::unique_ptr<Watch> watch;
  watch = std::make_unique<Watch>(*ring, event.get(), POLLIN, [&](int) {
    ++calls;
    watch.reset();
  });
  CHECK(run_until(*ring, [&] { return calls == 1; }));
  run_for(*ring, 1000);
  CHECK(calls == 1);
}

TEST_CASE("a send at once that took everything ends no sleep, and is told after what did") {
  const auto ring = make_ring();
  const auto sockets = tcp_pair();
  Recorder sent, received;
  std::byte room[8];
  const std::uint64_t word = 7;
  ring->recv(sockets.a.get(), room, true, received);
  ring->send_at_once(sockets.a.get(), std::as_bytes(std::span(&word, 1)), sent);
  REQUIRE(ring->run_once(now_us() + 30'000));  // sleeps to its deadline: nothing comes
  CHECK(sent.results == std::vector<int>{8});
  CHECK(received.results.empty());
  std::uint64_t found = 0;
  REQUIRE(::read(sockets.b.get(), &found, sizeof found) == sizeof found);
  CHECK(found == word);

  const std::uint64_t began_us = now_us();
  ring->send_at_once(sockets.a.get(), std::as_bytes(std::span(&word, 1)), sent);
  REQUIRE(ring->run_once(now_us() + 30'000));
  CHECK(now_us() >= began_us + 30'000);
  REQUIRE(::write(sockets.b.get(), &word, sizeof word) == sizeof word);
  CHECK(run_until(*ring, [&] { return !received.in_flight(); }));
  CHECK(received.results == std::vector<int>{8});
  CHECK(sent.results == std::vector<int>{8, 8});
}

TEST_CASE("a send at once says how much there was room for, and ends the sleep with it") {
  const auto ring = make_ring();
  const auto sockets = tcp_pair();
  const std::vector<std::byte> much(16 * 1024 * 1024);
  Recorder sent;
  ring->send_at_once(sockets.a.get(), much, sent);
  const std::uint64_t limit_us = now_us() + 10'000'000;
  REQUIRE(ring->run_once(limit_us));
  REQUIRE(sent.results.size() == 1);
  CHECK(sent.results[0] > 0);
  CHECK(sent.results[0] < static_cast<int>(much.size()));
  ring->send_at_once(sockets.a.get(), much, sent);
  REQUIRE(ring->run_once(limit_us));
  REQUIRE(sent.results.size() == 2);
  CHECK(sent.results[1] == -EAGAIN);
  CHECK(now_us() < limit_us);
}

TEST_CASE("a send at once that fails ends with its error") {
  const auto ring = make_ring();
  const auto sockets = tcp_pair();
  REQUIRE(::shutdown(sockets.a.get(), SHUT_WR) == 0);
  const std::uint64_t word = 7;
  Recorder sent;
  ring->send_at_once(sockets.a.get(), std::as_bytes(std::span(&word, 1)), sent);
  REQUIRE(ring->run_once(now_us() + 10'000'000));
  CHECK(sent.results == std::vector<int>{-EPIPE});
}

TEST_CASE("what has come may add to what is about to be sent, once") {
  struct Work final : BeforeSubmit {
    int calls = 0;
    bool before_submit() override {
      ++calls;
      return false;
    }
  };
  const auto ring = make_ring();
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const std::uint64_t one = 1;
  std::uint64_t room = 0;
  Recorder read;
  Work work;
  for (int round = 1; round <= 3; ++round) {
    ring->read(event.get(), std::as_writable_bytes(std::span(&room, 1)), read);
    REQUIRE(ring->run_once(0));
    REQUIRE(::write(event.get(), &one, sizeof one) == sizeof one);
    ring->call_before_submit(work);
    REQUIRE(ring->run_once(0));
    CHECK(read.results.size() == static_cast<std::size_t>(round));
    CHECK(work.calls == round - 1);
    REQUIRE(::write(event.get(), &one, sizeof one) == sizeof one);
    ring->read(event.get(), std::as_writable_bytes(std::span(&room, 1)), read);
    REQUIRE(ring->run_once(0));  // whatever else has come
    CHECK(work.calls == round);
    REQUIRE(run_until(*ring, [&] { return !read.in_flight(); }));
    read.results.resize(static_cast<std::size_t>(round));
  }
}
