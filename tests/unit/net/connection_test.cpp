#include "net/connection.hpp"

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

// Bytes go in at one end without a connection; the other end must fail with this sentence, once.
std::string end_after(std::span<const std::byte> bytes) {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer peer(*ring, std::move(sockets.a));
  write_all(sockets.b.get(), bytes);
  sockets.b.reset();
  CHECK(run_until(*ring, [&] { return !peer.ends.empty(); }));
  run_for(*ring, 1000);
  CHECK(peer.ends.size() == 1);
  CHECK(!peer.connection.is_open());
  CHECK(peer.connection.send(bytes_of("late")) == 0);
  return std::string(peer.end());
}

}  // namespace

TEST_CASE("thousands of frames both ways arrive whole, numbered and acknowledged") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  constexpr std::uint64_t count = 5000;
  std::uint64_t echoed = 0;
  bool right = true;
  b.on_frame = [&](const FrameView& frame) {
    right &= reinterpret_cast<std::uintptr_t>(frame.message.data()) % 8 == 0;
    right &= reinterpret_cast<std::uintptr_t>(frame.payload.data()) % 8 == 0;
    right &= equal(frame.payload, pattern(frame.sequence, frame.sequence * 13 % 5000));
    b.connection.send(frame.message, frame.payload);
  };
  a.on_frame = [&](const FrameView& frame) {
    right &= frame.sequence == ++echoed;
    right &= text_of(frame.message) == "message " + std::to_string(echoed);
    right &= equal(frame.payload, pattern(echoed, echoed * 13 % 5000));
    right &= frame.ack == echoed;  // b had received exactly as many when it answered
  };
  for (std::uint64_t i = 1; i <= count; ++i) {
    const std::string text = "message " + std::to_string(i);
    REQUIRE(a.connection.send(bytes_of(text), pattern(i, i * 13 % 5000)) == i);
    if (i % 64 == 0) REQUIRE(ring->run_once(0));
  }
  CHECK(run_until(*ring, [&] { return echoed == count || !right; }));
  CHECK(right);
  CHECK(a.connection.last_acked() == count);
  CHECK(a.connection.counters().frames_out == count);
  CHECK(a.connection.counters().frames_in == count);
  CHECK(a.connection.counters().bytes_out == b.connection.counters().bytes_in);
  CHECK(a.ends.empty());
}

TEST_CASE("frames of one round leave in one send, and a sender's memory is free at once") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  for (int i = 0; i < 50; ++i) {
    std::string text = "x" + std::to_string(i);
    a.connection.send(bytes_of(text));
    text.assign(text.size(), '!');
  }
  CHECK(run_until(*ring, [&] { return b.messages.size() == 50; }));
  CHECK(b.messages[49] == "x49");
  CHECK(a.connection.counters().send_count == 1);
}

TEST_CASE("the largest frames and empty ones") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  int good = 0;
  b.on_frame = [&](const FrameView& frame) {
    const bool large = frame.sequence % 2 == 1;
    good += equal(frame.message, pattern(1, large ? max_message_bytes : 0)) &&
            equal(frame.payload, pattern(2, large ? max_payload_bytes : 0));
  };
  for (int i = 0; i < 20; ++i) {
    a.connection.send(pattern(1, max_message_bytes), pattern(2, max_payload_bytes));
    a.connection.send({});
  }
  CHECK(run_until(*ring, [&] { return good == 40; }));
}

TEST_CASE("two peers that send 32 MiB each before reading do not block each other") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  constexpr std::size_t count = 512;
  std::size_t good = 0;
  for (Peer* peer : {&a, &b}) {
    peer->on_frame = [&](const FrameView& frame) {
      good += equal(frame.payload, pattern(frame.sequence, 64 * 1024));
    };
    for (std::size_t i = 1; i <= count; ++i)
      peer->connection.send(bytes_of("data"), pattern(i, 64 * 1024));
  }
  CHECK(a.connection.queued_bytes() > 32 * 1024 * 1024);
  CHECK(run_until(*ring, [&] { return good == 2 * count; }));
  CHECK(a.connection.queued_bytes() == 0);
}

TEST_CASE("partial sends through small socket buffers lose nothing") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair(4096);
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  std::size_t good = 0;
  b.on_frame = [&](const FrameView& frame) {
    good += equal(frame.payload, pattern(frame.sequence, 10'000));
  };
  for (std::size_t i = 1; i <= 100; ++i) a.connection.send(bytes_of("m"), pattern(i, 10'000));
  CHECK(run_until(*ring, [&] { return good == 100; }));
  CHECK(a.connection.counters().send_count > 2);
}

TEST_CASE("a peer that takes nothing fails at the bound, once") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a));
  const auto payload = pattern(1, max_payload_bytes);
  std::size_t frames = 0;
  while (a.connection.send(bytes_of("m"), payload) != 0) REQUIRE(++frames < 300);
  CHECK(frames == Connection::max_kept_bytes / frame_bytes(1, max_payload_bytes));
  CHECK(a.ends.empty());  // never from inside send
  CHECK(run_until(*ring, [&] { return !a.ends.empty(); }));
  CHECK(contains(a.end(), "does not take its messages"));
}

TEST_CASE("whatever ends a stream ends it with one sentence") {
  CHECK(end_after({}) == "the peer closed the connection");
  const auto frame = encode(1, bytes_of("hello"), pattern(1, 100));
  CHECK(end_after(frame) == "the peer closed the connection");
  CHECK(end_after(std::span(frame).first(50)) ==
        "the peer closed the connection in the middle of a frame, of which 50 bytes had come");
  CHECK(contains(end_after(bytes_of("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")),
                 "does not speak gallocy's protocol"));
  CHECK(end_after(encode(2, {})) == "the peer sent frame number 2 where 1 was due");
  CHECK(contains(end_after(encode(1, {}, {}, 9)), "acknowledged frame 9"));
}

TEST_CASE("frames before the peer's reset are still handed out") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a));
  write_all(sockets.b.get(), encode(1, bytes_of("refused: wrong job")));
  sockets.b.reset();
  for (int i = 0; i < 3; ++i) a.connection.send(bytes_of("more"));
  CHECK(run_until(*ring, [&] { return !a.ends.empty(); }));
  CHECK(a.messages == std::vector<std::string>{"refused: wrong job"});
}

TEST_CASE("close and destruction from inside on_frame") {
  for (const bool destroy : {false, true}) {
    const auto ring = make_ring();
    SocketPair sockets = tcp_pair();
    auto a = std::make_unique<Peer>(*ring, std::move(sockets.a));
    Peer b(*ring, std::move(sockets.b));
    int frames = 0;
    b.on_frame = [](const FrameView&) {};
    a->on_frame = [&](const FrameView&) {
      ++frames;
      if (destroy) Connection(std::move(a->connection));
      else a->connection.close();
    };
    for (int i = 0; i < 10; ++i) b.connection.send(bytes_of("frame"));
    CHECK(run_until(*ring, [&] { return !b.ends.empty(); }));
    CHECK(frames == 1);
    CHECK(a->ends.empty());
    CHECK(!a->connection.is_open());
  }
}

TEST_CASE("finish delivers the last words before the end") {
  const auto ring = make_ring();
  SocketPair sockets = tcp_pair();
  Peer a(*ring, std::move(sockets.a)), b(*ring, std::move(sockets.b));
  // b talks all the time: without finish() a's closing would reset the stream.
  for (int i = 0; i < 100; ++i) b.connection.send(bytes_of("chatter"), pattern(1, 4096));
  for (int i = 0; i < 100; ++i) a.connection.send(bytes_of("word"), pattern(2, 100'000));
  a.connection.finish();
  CHECK(run_until(*ring, [&] { return !b.ends.empty(); }));
  CHECK(b.messages.size() == 100);
  CHECK(b.end() == "the peer closed the connection");
  CHECK(a.ends.empty());
}

TEST_CASE("connections may go before, with and after their ring") {
  SocketPair one = tcp_pair(), two = tcp_pair();
  std::unique_ptr<Peer> late;
  {
    const auto ring = make_ring();
    late = std::make_unique<Peer>(*ring, std::move(one.a));
    Peer early(*ring, std::move(two.a));
    early.connection.send(bytes_of("never sent"));
    late->connection.send(bytes_of("x"));
    ring->run_once(0);
  }
  CHECK(late->ends.size() == 1);
}
