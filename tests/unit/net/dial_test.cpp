#include "net/dialer.hpp"

#include "net/listener.hpp"
#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

struct Outcome {
  int count = 0;
  UniqueFd fd;
  Error error;
  Dialer::Done done() {
    return [this](Result<UniqueFd> result) {
      ++count;
      if (result) fd = std::move(*result);
      else error = result.error();
    };
  }
};

Endpoint at_port(std::uint16_t port, const char* host = "127.0.0.1") {
  return *parse_endpoint(std::string(host) + ":" + std::to_string(port));
}

std::uint16_t free_port(Ring& ring) {
  return Listener::open(ring, at_port(0), [](Result<Accepted>) {})->port();
}

}  // namespace

TEST_CASE("listen at any port, dial it, talk; IPv4 and IPv6") {
  for (const char* host : {"127.0.0.1", "[::1]"}) {
    const auto ring = make_ring();
    std::vector<std::unique_ptr<Peer>> accepted;
    AddressText from;
    auto listener = Listener::open(*ring, at_port(0, host), [&](Result<Accepted> peer) {
      REQUIRE(peer);
      from = peer->peer;
      accepted.push_back(std::make_unique<Peer>(*ring, std::move(peer->fd)));
    });
    if (!listener && listener.error().code == EADDRNOTAVAIL) continue;  // no IPv6 here
    REQUIRE(listener);
    REQUIRE(listener->port() != 0);
    for (int i = 0; i < 3; ++i) {  // one accept request serves them all
      Outcome outcome;
      Dialer dialer(*ring, at_port(listener->port(), host), now_us() + patience_us,
                    outcome.done());
      REQUIRE(run_until(*ring, [&] { return outcome.count == 1; }));
      REQUIRE(outcome.fd);
      const auto local = local_endpoint(outcome.fd.get());
      Peer client(*ring, std::move(outcome.fd));
      client.connection.send(bytes_of("hello"));
      REQUIRE(run_until(*ring, [&] {
        return accepted.size() == static_cast<std::size_t>(i + 1) &&
               accepted.back()->messages.size() == 1;
      }));
      CHECK(from.view() == local->text().view());
    }
  }
}

TEST_CASE("dial a port that opens later") {
  const auto ring = make_ring();
  const std::uint16_t port = free_port(*ring);
  run_for(*ring, 1000);
  Outcome outcome;
  Dialer dialer(*ring, at_port(port), now_us() + patience_us, outcome.done());
  run_for(*ring, 50'000);
  CHECK(outcome.count == 0);
  int accepted = 0;
  auto listener = Listener::open(*ring, at_port(port), [&](Result<Accepted>) { ++accepted; });
  REQUIRE(listener);
  CHECK(run_until(*ring, [&] { return outcome.count == 1 && accepted == 1; }));
  CHECK(outcome.fd);
}

TEST_CASE("a dialer gives up at its deadline, with a sentence") {
  const auto ring = make_ring();
  Outcome refused;
  const Endpoint to = at_port(free_port(*ring));
  Dialer dialer(*ring, to, now_us() + 60'000, refused.done());
  CHECK(run_until(*ring, [&] { return refused.count == 1; }));
  CHECK(!refused.fd);
  CHECK(refused.error.code == ECONNREFUSED);
  CHECK(contains(refused.error.sentence.view(), to.text().view()));
}

TEST_CASE("a peer that does not answer is given up at the deadline") {
  const auto ring = make_ring();
  // A full backlog drops the SYN: the dial hangs, as with a machine that is off.
  UniqueFd deaf(::socket(AF_INET, SOCK_STREAM, 0));
  Endpoint at = at_port(0);
  REQUIRE(::bind(deaf.get(), at.get(), at.size_bytes) == 0);
  REQUIRE(::listen(deaf.get(), 0) == 0);
  at = *local_endpoint(deaf.get());
  std::vector<std::unique_ptr<Outcome>> outcomes;
  std::vector<std::unique_ptr<Dialer>> dialers;
  for (int i = 0; i < 4; ++i) {
    outcomes.push_back(std::make_unique<Outcome>());
    dialers.push_back(std::make_unique<Dialer>(*ring, at, now_us() + 100'000,
                                               outcomes.back()->done()));
  }
  CHECK(run_until(*ring, [&] {
    return std::all_of(outcomes.begin(), outcomes.end(), [](auto& o) { return o->count == 1; });
  }));
  CHECK(outcomes.back()->error.code == ETIMEDOUT);
}

TEST_CASE("a dialer or listener destroyed early says nothing and leaves nothing") {
  const auto ring = make_ring();
  Outcome outcome;
  {
    auto listener = Listener::open(*ring, at_port(0), [](Result<Accepted>) {});
    Dialer hopeless(*ring, at_port(1), now_us() + patience_us, outcome.done());
    Dialer instant(*ring, at_port(listener->port()), now_us() + patience_us, outcome.done());
    ring->run_once(0);
  }
  run_for(*ring, 30'000);
  CHECK(outcome.count == 0);
}

TEST_CASE("a port in use is refused with a sentence") {
  const auto ring = make_ring();
  auto first = Listener::open(*ring, at_port(0), [](Result<Accepted>) {});
  const auto second = Listener::open(*ring, at_port(first->port()), [](Result<Accepted>) {});
  REQUIRE(!second);
  CHECK(contains(second.error().sentence.view(), "EADDRINUSE; end what listens there"));
}
