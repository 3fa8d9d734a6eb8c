#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "net/connection.hpp"
#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

constexpr std::uint64_t frame_count = 3000;

// Another thread with a ring of its own, which takes a stream over and counts its frames.
class Taker {
 public:
  void give(Detached stream) {
    const std::lock_guard lock(mutex_);
    mail_ = std::move(stream);
    if (ring_ != nullptr) ring_->wake();
  }
  void run() {
    const auto ring = make_ring();
    ring->on_wake([&] { take(*ring); });
    {
      const std::lock_guard lock(mutex_);
      ring_ = ring.get();
    }
    ring->wake();
    // That all was sent ends no sleep.
    const std::uint64_t limit_us = now_us() + patience_us;
    while (!(last == frame_count && echoed()) && now_us() < limit_us)
      REQUIRE(ring->run_once(now_us() + 1000));
    peer_.reset();
    const std::lock_guard lock(mutex_);
    ring_ = nullptr;
  }
  std::uint64_t last = 0;
  bool right = true;

 private:
  bool echoed() const { return peer_ && peer_->connection.queued_bytes() == 0; }
  void take(Ring& ring) {
    const std::lock_guard lock(mutex_);
    if (!mail_) return;
    peer_ = std::make_unique<Peer>(ring, std::move(*mail_));
    mail_.reset();
    peer_->on_frame = [this](const FrameView& frame) {
      right &= frame.sequence == ++last;
      right &= equal(frame.payload, pattern(frame.sequence, frame.sequence % 3000));
      peer_->connection.send(frame.message);
    };
  }
  std::mutex mutex_;
  Ring* ring_ = nullptr;
  std::optional<Detached> mail_;
  std::unique_ptr<Peer> peer_;
};

}  // namespace

TEST_CASE("a stream moves to another thread's ring in its middle without losing a byte") {
  for (const std::uint64_t greetings : {1, 2, 777}) {
    CAPTURE(greetings);
    const auto ring = make_ring();
    SocketPair sockets = tcp_pair();
    Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
    Peer later(*ring);
    Taker taker;
    std::thread thread([&] { taker.run(); });
    std::uint64_t heard = 0, answers = 0;
    bool right = true;
    b.on_frame = [&](const FrameView& frame) {
      right &= equal(frame.payload, pattern(frame.sequence, frame.sequence % 3000));
      b.connection.send(frame.message);
      if (frame.sequence != greetings) return;
      b.connection.detach([&](Result<Detached> stream) {
        REQUIRE(stream);
        taker.give(std::move(*stream));
      });
    };
    a.on_frame = [&](const FrameView&) {
      if (++heard != greetings) return;
      a.connection.detach([&](Result<Detached> stream) {
        REQUIRE(stream);
        later.connection.take_up(std::move(*stream));
      });
    };
    later.on_frame = [&](const FrameView& frame) {
      right &= frame.sequence == ++answers;
      right &= text_of(frame.message) == std::to_string(answers);
    };
    for (std::uint64_t i = 1; i <= greetings; ++i)
      a.connection.send(bytes_of(std::to_string(i)), pattern(i, i % 3000));
    for (std::uint64_t i = 1; i <= frame_count; ++i) {
      later.connection.send(bytes_of(std::to_string(i)), pattern(i, i % 3000));
      if (i % 50 == 0) REQUIRE(ring->run_once(0));
    }
    CHECK(run_until(*ring, [&] { return answers == frame_count; }));
    CHECK(right);
    thread.join();
    CHECK(taker.right);
    CHECK(later.connection.counters().resumed_count == 0);
  }
}

TEST_CASE("detach takes unsent bytes along, in the middle of a blocked send") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair(4096);
  Peer a(*ring, std::move(sockets.a));
  for (std::uint64_t i = 1; i <= 20; ++i)
    a.connection.send(bytes_of("early"), pattern(i, 100'000));
  run_for(*ring, 2000);  // nobody reads: the send is stuck in the kernel
  a.connection.send(bytes_of("queued"), pattern(21, 100'000));
  std::optional<Detached> stream;
  a.connection.detach([&](Result<Detached> given) { stream = std::move(*given); });
  CHECK(!a.connection.is_open());
  REQUIRE(run_until(*ring, [&] { return stream.has_value(); }));
  CHECK(stream->unsent.size() > 100'000);

  const auto other = make_ring();
  Peer again(*other, std::move(*stream)), b(*other, std::move(sockets.b)), later(*other);
  std::uint64_t good = 0;
  b.on_frame = [&](const FrameView& frame) {
    good += equal(frame.payload, pattern(frame.sequence, 100'000));
    if (frame.sequence != 21) return;
    b.connection.detach([&](Result<Detached> given) {
      later.connection.take_up(std::move(*given));
    });
  };
  CHECK(again.connection.send(bytes_of("late")) == 1);
  CHECK(run_until(*other, [&] { return later.messages.size() == 1; }));
  CHECK(good == 21);
  CHECK(later.messages[0] == "late");
}

TEST_CASE("bytes that come while detaching are in the stream, whatever the receive did") {
  for (int delay = 0; delay < 50; ++delay) {
    const auto ring = make_ring();
    SocketPair sockets = tcp_pair();
    Peer a(*ring, std::move(sockets.a));
    auto bytes = encode(0, {});
    const auto frame = encode(1, bytes_of("first"), pattern(1, 1000));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    const std::span whole(bytes);
    if (delay % 2 == 0) run_for(*ring, 100);
    std::optional<Detached> stream;
    a.connection.detach([&](Result<Detached> given) { stream = std::move(*given); });
    write_all(sockets.b.get(), whole.first(500));
    if (delay % 3 == 0) ring->run_once(0);
    write_all(sockets.b.get(), whole.subspan(500));
    REQUIRE(run_until(*ring, [&] { return stream.has_value(); }));
    Peer again(*ring, std::move(*stream));
    CHECK(run_until(*ring, [&] { return again.messages.size() == 1; }));
  }
}

TEST_CASE("a stream at its end is handed on whole, with its last frames") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a));
  std::optional<Detached> stream;
  a.on_frame = [&](const FrameView&) {
    a.connection.detach([&](Result<Detached> given) { stream = std::move(*given); });
  };
  write_all(sockets.b.get(), encode(1, bytes_of("hello")));
  write_all(sockets.b.get(), encode(0, {}));
  for (std::uint64_t i = 1; i <= 4; ++i) write_all(sockets.b.get(), encode(i, bytes_of("m")));
  sockets.b.reset();
  REQUIRE(run_until(*ring, [&] { return stream.has_value(); }));
  Peer again(*ring, std::move(*stream));
  CHECK(run_until(*ring, [&] { return !again.breaks.empty(); }));
  CHECK(again.messages.size() == 4);
  CHECK(again.breaks[0].sentence.view() == "the peer closed the connection");
}
