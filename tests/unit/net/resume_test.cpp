// Connections that survive their streams, cut anywhere.
#include "cut_wire.hpp"
#include "net/send_queue.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

// Sizes that leave every kind of boundary: empty parts, padding, and neither.
struct Sizes {
  std::size_t message, payload;
};
constexpr Sizes few[] = {{8, 0}, {0, 24}, {13, 21}, {0, 0}, {1, 64}, {40, 7}};

void send_few(Peer& peer) {
  for (std::size_t i = 0; i < std::size(few); ++i)
    peer.connection.send(pattern(i + 1, few[i].message), pattern(i + 100, few[i].payload));
}

std::size_t bytes_of_few() {
  std::size_t bytes = frame_header_bytes;  // of the greeting
  for (const Sizes& sizes : few) bytes += frame_bytes(sizes.message, sizes.payload);
  return bytes;
}

// Looks at what arrives: each frame once, in order, whole.
struct Reader {
  explicit Reader(Peer& peer) {
    peer.on_frame = [this](const FrameView& frame) {
      right &= frame.sequence == ++count && count <= std::size(few);
      if (!right) return;
      right &= equal(frame.message, pattern(count, few[count - 1].message));
      right &= equal(frame.payload, pattern(count + 99, few[count - 1].payload));
    };
  }
  bool complete() const { return count == std::size(few); }
  std::uint64_t count = 0;
  bool right = true;
};

bool pump_until(Ring& ring, CutWire& wire, const std::function<bool()>& holds) {
  const std::uint64_t deadline = now_us() + patience_us;
  while (!holds()) {
    if (now_us() > deadline || !ring.run_once(0)) return false;
    wire.pump();
  }
  return true;
}

// The other end of a stream, by hand.
struct ByHand {
  explicit ByHand(Peer& peer) {
    SocketPair sockets = tcp_pair();
    fd = std::move(sockets.b);
    peer.connection.take_up({std::move(sockets.a), {}, {}});
  }
  void write(std::uint64_t sequence, std::uint64_t ack = 0, std::string_view text = {}) {
    write_all(fd.get(), encode(sequence, bytes_of(text), {}, ack));
  }
  // The numbers and acknowledgements of the next frames.
  std::string read(Ring& ring, std::size_t frame_count) {
    std::vector<std::byte> bytes;
    std::string text;
    const std::uint64_t deadline = now_us() + patience_us;
    while (frame_count > 0 && now_us() < deadline) {
      run_for(ring, 1000);
      std::byte buffer[4096];
      const auto size = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (size > 0) bytes.insert(bytes.end(), buffer, buffer + size);
      FrameView frame;
      while (frame_count > 0) {
        const auto taken = parse_frame(bytes, frame);
        REQUIRE(taken);
        if (*taken == 0) break;
        text += std::to_string(frame.sequence) + "/" + std::to_string(frame.ack) + " ";
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*taken));
        --frame_count;
      }
    }
    return text;
  }
  UniqueFd fd;
};

}  // namespace

TEST_CASE("a reset at every byte of a stream, one way and the other, loses and repeats nothing") {
  const std::size_t whole = bytes_of_few();
  for (std::size_t at = 0; at <= 2 * whole + 1; ++at) {
    CAPTURE(at);
    const auto ring = make_ring();
    Peer a(*ring), b(*ring);
    const Reader at_a(a), at_b(b);
    CutWire wire(a, b);
    send_few(a);
    send_few(b);
    if (at <= whole) wire.connect(at, unlimited);
    else wire.connect(unlimited, at - whole - 1);
    REQUIRE(pump_until(*ring, wire, [&] { return !a.breaks.empty() && !b.breaks.empty(); }));
    wire.connect(unlimited, unlimited);
    REQUIRE(pump_until(*ring, wire, [&] {
      return at_a.complete() && at_b.complete() && !a.connection.is_broken();
    }));
    CHECK(at_a.right);
    CHECK(at_b.right);
    CHECK(a.ends.empty());
    CHECK(b.ends.empty());
  }
}

TEST_CASE("hundreds of resets under load in both directions") {
  for (const unsigned seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto ring = make_ring();
    Peer a(*ring), b(*ring);
    CutWire wire(a, b);
    constexpr std::uint64_t frame_count = 6000;
    std::uint64_t received[2] = {}, sent = 0;
    bool right = true;
    Peer* peers[] = {&a, &b};
    for (int i = 0; i < 2; ++i)
      peers[i]->on_frame = [&, i](const FrameView& frame) {
        const std::uint64_t number = ++received[i];
        right &= frame.sequence == number;
        right &= text_of(frame.message) == std::to_string(number);
        right &= equal(frame.payload, pattern(number, number % 3 == 0 ? 4096 : number % 50));
      };
    std::size_t cut_count = 0, kept_bytes = 0;
    const auto connect = [&] { wire.connect(1 + random() % 60'000, 1 + random() % 60'000); };
    connect();
    const bool done = pump_until(*ring, wire, [&] {
      for (int k = 0; k < 4 && sent < frame_count; ++k) {
        ++sent;
        for (Peer* peer : peers)
          peer->connection.send(bytes_of(std::to_string(sent)),
                                pattern(sent, sent % 3 == 0 ? 4096 : sent % 50));
      }
      kept_bytes = std::max(kept_bytes, a.connection.kept_bytes());
      const bool down = a.breaks.size() > cut_count && b.breaks.size() > cut_count;
      if (!wire.connected() && down) {
        cut_count = std::max(a.breaks.size(), b.breaks.size());
        connect();
      }
      return received[0] == frame_count && received[1] == frame_count;
    });
    CHECK(done);
    CHECK(right);
    CHECK(cut_count > 100);
    CHECK(a.connection.counters().resumed_count > 100);
    CHECK(a.connection.counters().frames_in == frame_count);
    MESSAGE("seed ", seed, ": ", cut_count, " resets, at most ", kept_bytes, " bytes kept, ",
            a.connection.counters().repeated_in, " frames came twice");
  }
}

TEST_CASE("frames that were sent while there was no stream arrive in order") {
  const auto ring = make_ring();
  Peer a(*ring), b(*ring);
  CutWire wire(a, b);
  for (int i = 0; i < 100; ++i) a.connection.send(bytes_of(std::to_string(i)));
  CHECK(a.connection.is_broken());
  CHECK(a.connection.queued_bytes() == 100 * frame_bytes(2, 0));
  wire.connect(unlimited, unlimited);
  CHECK(pump_until(*ring, wire, [&] { return b.messages.size() == 100; }));
  CHECK(b.messages[99] == "99");
  CHECK(!a.connection.is_broken());
}

TEST_CASE("each end says what it has, and sends what the other lacks") {
  const auto ring = make_ring();
  Peer peer(*ring);
  for (int i = 1; i <= 4; ++i) peer.connection.send(bytes_of("text"));
  {
    ByHand first(peer);
    CHECK(first.read(*ring, 1) == "0/0 ");
    first.write(0, 0);
    CHECK(first.read(*ring, 4) == "1/0 2/0 3/0 4/0 ");
    first.write(1, 2);
    first.write(2, 2);
    CHECK(run_until(*ring, [&] { return peer.messages.size() == 2; }));
    CHECK(peer.connection.kept_bytes() == 2 * frame_bytes(4, 0));
  }
  CHECK(run_until(*ring, [&] { return !peer.breaks.empty(); }));
  ByHand second(peer);
  CHECK(second.read(*ring, 1) == "0/2 ");
  second.write(0, 3);
  CHECK(second.read(*ring, 1) == "4/0 ");
  second.write(3, 4);
  CHECK(run_until(*ring, [&] { return peer.messages.size() == 3; }));
  CHECK(peer.connection.kept_bytes() == 0);
  CHECK(peer.connection.counters().resumed_count == 1);
}

TEST_CASE("frames that come twice are dropped by their number") {
  const auto ring = make_ring();
  Peer peer(*ring);
  {
    ByHand first(peer);
    first.write(0);
    first.write(1, 0, "one");
    first.write(2, 0, "two");
    CHECK(run_until(*ring, [&] { return peer.messages.size() == 2; }));
  }
  ByHand second(peer);
  second.write(0);
  for (const auto& [number, text] : {std::pair{1, "one"}, {2, "two"}, {1, "one"}, {3, "three"}})
    second.write(static_cast<std::uint64_t>(number), 0, text);
  CHECK(run_until(*ring, [&] { return peer.messages.size() == 3; }));
  CHECK(peer.messages == std::vector<std::string>{"one", "two", "three"});
  CHECK(peer.connection.counters().repeated_in == 3);
}

TEST_CASE("a new stream replaces one whose end this side has not noticed") {
  const auto ring = make_ring();
  Peer peer(*ring);
  ByHand first(peer);
  first.write(0);
  first.write(1, 0, "one");
  CHECK(run_until(*ring, [&] { return peer.messages.size() == 1; }));
  const auto half = encode(2, bytes_of("two"));
  write_all(first.fd.get(), std::span(half).first(35));
  ByHand second(peer);
  second.write(0);
  second.write(2, 0, "two");
  CHECK(run_until(*ring, [&] { return peer.messages.size() == 2; }));
  CHECK(peer.breaks.empty());
  std::byte byte[64];
  while (::recv(first.fd.get(), byte, sizeof byte, 0) > 0) {}  // ends, since the peer closed it
  CHECK(peer.connection.counters().resumed_count == 1);
}

TEST_CASE("numbers that make no sense end the connection at once") {
  const auto end_of = [](auto hostile) {
    const auto ring = make_ring();
    Peer peer(*ring);
    for (int i = 1; i <= 3; ++i) peer.connection.send(bytes_of("text"));
    {
      ByHand first(peer);
      first.write(0);
      first.write(1, 2, "one");
      CHECK(run_until(*ring, [&] { return peer.messages.size() == 1; }));
    }
    ByHand second(peer);
    hostile(second);
    CHECK(run_until(*ring, [&] { return !peer.ends.empty(); }));
    CHECK(peer.messages.size() == 1);
    CHECK(peer.connection.send(bytes_of("late")) == 0);
    return std::string(peer.end());
  };
  CHECK(end_of([](ByHand& hand) { hand.write(0, 4); }) ==
        "the peer acknowledged frame 4 when 3 had been sent");
  CHECK(end_of([](ByHand& hand) { hand.write(0, ~std::uint64_t{0}); }) ==
        "the peer acknowledged frame 18446744073709551615 when 3 had been sent");
  CHECK(end_of([](ByHand& hand) { hand.write(0, 1); }) ==
        "the peer has forgotten frames: it acknowledged frame 2, and now has 1");
  CHECK(end_of([](ByHand& hand) { hand.write(2, 2, "no greeting"); }) ==
        "the peer sent frame number 2 on a stream before it said what it has");
  CHECK(end_of([](ByHand& hand) {
          hand.write(0, 2);
          hand.write(3, 2, "gap");
        }) == "the peer sent frame number 3 where 2 was due");
  CHECK(end_of([](ByHand& hand) {
          hand.write(0, 2);
          hand.write(~std::uint64_t{0}, 2, "far");
        }) == "the peer sent frame number 18446744073709551615 where 2 was due");
  CHECK(contains(end_of([](ByHand& hand) { write_all(hand.fd.get(), pattern(5, 64)); }),
                 "does not speak gallocy's protocol"));
}

TEST_CASE("a peer that does not come back is given up, with the time and the reason") {
  const auto ring = make_ring();
  Peer never(*ring, 30'000);
  CHECK(run_until(*ring, [&] { return !never.ends.empty(); }));
  CHECK(never.end() == "the peer did not come back within 30 ms");
  CHECK(never.ends[0].code == ETIMEDOUT);

  Peer peer(*ring, 30'000);
  {
    ByHand hand(peer);
    hand.write(0);
    hand.write(1, 0, "one");
    CHECK(run_until(*ring, [&] { return peer.messages.size() == 1; }));
    CHECK(hand.read(*ring, 1) == "0/0 ");
    run_for(*ring, 100'000);
    CHECK(peer.ends.empty());  // silence is no end
  }
  CHECK(run_until(*ring, [&] { return !peer.ends.empty(); }));
  CHECK(peer.end() ==
        "the peer did not come back within 30 ms: the peer closed the connection");
}

TEST_CASE("streams that come and bring nothing are no return") {
  const auto ring = make_ring();
  Peer mute(*ring, 50'000);
  ByHand silent(mute);
  CHECK(run_until(*ring, [&] { return !mute.ends.empty(); }));

  Peer peer(*ring, 50'000);
  std::vector<std::unique_ptr<ByHand>> hands;
  peer.on_broken = [&] {
    hands.push_back(std::make_unique<ByHand>(peer));
    hands.back()->fd.reset();
  };
  hands.push_back(std::make_unique<ByHand>(peer));
  hands.back()->fd.reset();
  CHECK(run_until(*ring, [&] { return !peer.ends.empty(); }));
  CHECK(peer.breaks.size() > 1);
  CHECK(contains(peer.end(), "did not come back within 50 ms"));
}

TEST_CASE("one way at full speed: few bytes are kept, and few acknowledgements sent alone") {
  const auto ring = make_ring();
  Peer a(*ring), b(*ring);
  SocketPair sockets = tcp_pair();
  a.connection.take_up({std::move(sockets.a), {}, {}});
  b.connection.take_up({std::move(sockets.b), {}, {}});
  const auto payload = pattern(1, 4096);
  constexpr std::uint64_t count = 40'000;  // more than may be kept
  static_assert(count * 4096 > 2 * Connection::max_kept_bytes);
  std::uint64_t received = 0;
  std::size_t kept_bytes = 0;
  b.on_frame = [&](const FrameView&) { ++received; };
  for (std::uint64_t i = 1; i <= count; ++i) {
    REQUIRE(a.connection.send(bytes_of("page"), payload) == i);
    kept_bytes = std::max(kept_bytes, a.connection.kept_bytes());
    if (i % 8 == 0) ring->run_once(0);
    // The protocol sends no page that was not asked for.
    if (a.connection.queued_bytes() > 256 * 1024)
      REQUIRE(run_until(*ring, [&] { return a.connection.queued_bytes() == 0; }));
  }
  REQUIRE(run_until(*ring, [&] { return received == count; }));
  CHECK(a.connection.kept_bytes() <= Connection::ack_every_bytes + frame_bytes(4, 4096));
  CHECK(b.connection.counters().frames_out == 0);
  CHECK(b.connection.counters().send_count <=
        2 + count * frame_bytes(4, 4096) / Connection::ack_every_bytes);
  MESSAGE("at most ", kept_bytes, " bytes kept, ", b.connection.counters().send_count,
          " acknowledgements alone, ", a.connection.counters().send_count, " sends");
}

TEST_CASE("what is kept for a peer that is away is bounded") {
  const auto ring = make_ring();
  Peer peer(*ring);
  const auto payload = pattern(1, max_payload_bytes);
  std::size_t frames = 0;
  while (peer.connection.send(bytes_of("m"), payload) != 0) REQUIRE(++frames < 300);
  CHECK(frames == Connection::max_kept_bytes / frame_bytes(1, max_payload_bytes));
  CHECK(run_until(*ring, [&] { return !peer.ends.empty(); }));
  CHECK(contains(peer.end(), "does not take its messages"));
}

TEST_CASE("close and destruction while the stream is away, and in on_broken") {
  const auto ring = make_ring();
  for (const bool destroy : {false, true}) {
    auto peer = std::make_unique<Peer>(*ring);
    peer->connection.send(bytes_of("never read"));
    {
      ByHand hand(*peer);
      hand.write(0);
      CHECK(hand.read(*ring, 2) == "0/0 1/0 ");
    }
    peer->on_broken = [&] {
      if (destroy) Connection(std::move(peer->connection));
      else peer->connection.close();
    };
    CHECK(run_until(*ring, [&] { return !peer->breaks.empty(); }));
    run_for(*ring, 1000);
    CHECK(!peer->connection.is_open());
    CHECK(peer->ends.empty());
  }
  Peer away(*ring);
  away.connection.send(bytes_of("never sent"));
}

TEST_CASE("a queue keeps what is not acknowledged, and blocks that are not sent") {
  SendQueue queue(true);
  const auto payload = pattern(1, 80'000);
  for (std::uint64_t i = 1; i <= 10; ++i) queue.append({3, 80'000, i, 0}, bytes_of("abc"), payload);
  const std::size_t frame = frame_bytes(3, 80'000);
  CHECK(queue.kept_bytes() == 10 * frame);
  const std::size_t first_block = queue.to_send().size();
  CHECK(first_block == 3 * frame);
  queue.sent(frame + 100);
  queue.acknowledge(2);  // the second is not out of the kernel's hands
  CHECK(queue.kept_bytes() == 9 * frame);
  queue.sent(first_block - frame - 100);
  CHECK(queue.kept_bytes() == 8 * frame);
  CHECK(queue.unsent_bytes() == 7 * frame);

  queue.begin_stream({pattern(9, 50)});
  CHECK(equal(queue.to_send(), pattern(9, 50)));
  queue.sent(50);
  CHECK(queue.to_send().empty());
  queue.resume(4);
  CHECK(queue.kept_bytes() == 6 * frame);
  std::vector<std::byte> rest;
  while (queue.unsent_bytes() > 0) {
    const auto bytes = queue.to_send();
    const std::size_t count = std::min<std::size_t>(bytes.size(), 7777);
    rest.insert(rest.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    queue.sent(count);
  }
  REQUIRE(rest.size() == 6 * frame);
  for (std::uint64_t i = 0; i < 6; ++i) {
    FrameView view;
    REQUIRE(parse_frame(std::span(rest).subspan(i * frame), view).value() == frame);
    CHECK(view.sequence == i + 5);
    CHECK(equal(view.payload, payload));
  }
  CHECK(queue.kept_bytes() == 6 * frame);
  queue.acknowledge(10);
  CHECK(queue.kept_bytes() == 0);
}
