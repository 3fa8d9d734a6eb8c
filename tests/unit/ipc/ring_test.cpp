#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "ipc/daemon_ring.hpp"

using namespace gallocy;
using namespace gallocy::ipc;

namespace {

UniqueFd new_doorbell() { return UniqueFd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}; }

// Sleeps as a daemon's loop does. The limit turns a lost wake-up into a failed test.
void sleep_until_rung(int doorbell_fd, std::uint64_t& lost_count, std::uint64_t& rung_count) {
  pollfd entry{doorbell_fd, POLLIN, 0};
  if (::poll(&entry, 1, 2000) == 0) {
    ++lost_count;
    return;
  }
  std::uint64_t value = 0;
  if (::read(doorbell_fd, &value, sizeof value) == sizeof value) ++rung_count;
}

// A daemon that answers ping with status 0 and the arguments plus one, until told to stop by
// finalize.
struct EchoDaemon {
  explicit EchoDaemon(Ring& memory, int doorbell) : ring(memory), doorbell_fd(doorbell) {}

  void answer(const Request& request) {
    std::uint64_t values[value_count];
    for (unsigned i = 0; i < value_count; ++i) values[i] = request.arguments[i] + 1;
    ring.answer(request.ticket, request.operation == Operation::ping ? 0 : ENOSYS, values);
    stop = stop || request.operation == Operation::finalize;
  }

  void run() {
    while (!stop) {
      take_freed();
      if (ring.take_ready([&](const Request& request) { answer(request); }) > 0) continue;
      if (!ring.sleep_begin()) continue;
      sleep_until_rung(doorbell_fd, lost_count, rung_count);
      ring.sleep_end();
    }
  }

  void take_freed() {
    ring.take_freed([&](FreedBlock block) {
      ++freed_count;
      freed_sum += block.address + block.owner_node + block.size_width;
    });
  }

  DaemonRing ring;
  int doorbell_fd;
  std::uint64_t freed_count = 0, freed_sum = 0;
  bool stop = false;
  std::uint64_t lost_count = 0, rung_count = 0;
};

unsigned wrong_echoes(ClientRing& client, unsigned count, std::uint64_t seed) {
  unsigned wrong = 0;
  for (unsigned i = 0; i < count; ++i) {
    const Reply reply = client.call(Operation::ping, seed + i, i, 7);
    wrong += reply.status != 0 || reply.values[0] != seed + i + 1 || reply.values[1] != i + 1 ||
             reply.values[2] != 8 || reply.values[3] != 1;
  }
  return wrong;
}

struct Served {
  RingMemory memory = RingMemory::create().value();
  UniqueFd doorbell = new_doorbell();
  EchoDaemon daemon{memory.ring(), doorbell.get()};
  ClientRing client;
  std::thread thread{[this] { daemon.run(); }};
  Served() { client.attach(memory.ring(), doorbell.get()); }
  void stop() {
    client.call(Operation::finalize);
    thread.join();
  }
};

}  // namespace

TEST_CASE("100,000 pings: every reply is that of its request, no wake-up is lost") {
  Served served;
  CHECK(wrong_echoes(served.client, 100'000, 0) == 0);
  served.stop();
  CHECK(served.daemon.lost_count == 0);
  CHECK(served.daemon.ring.under_way_count() == 0);
}

TEST_CASE("requests whose senders were taken away from the wait are received later, by others") {
  Served served;
  unsigned wrong = 0;
  for (unsigned i = 0; i < 2 * slot_count; ++i) {
    const auto left = served.client.send(Operation::ping, i, 2);
    wrong += wrong_echoes(served.client, 1, i);
    served.client.wait(left);
    const Reply reply = served.client.receive(left);
    wrong += reply.status != 0 || reply.values[0] != i + 1 || reply.values[1] != 3;
  }
  CHECK(wrong == 0);
  served.stop();
  CHECK(served.daemon.lost_count == 0);
  CHECK(served.daemon.ring.under_way_count() == 0);
}

TEST_CASE("many threads") {
  Served served;
  std::atomic<unsigned> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 16; ++i)
    threads.emplace_back([&, i] { wrong += wrong_echoes(served.client, 2'000, i << 20); });
  for (auto& thread : threads) thread.join();
  served.stop();
  CHECK(wrong == 0);
  CHECK(served.daemon.lost_count == 0);
}

TEST_CASE("blocks freed for others: none is lost, and none waits for a daemon that sleeps") {
  Served served;
  constexpr std::uint64_t per_thread = 20'000;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (std::uint64_t block = 1; block <= per_thread; ++block)
        served.client.free_elsewhere({16 * (i * per_thread + block), 63, 12});
    });
  for (auto& thread : threads) thread.join();
  served.stop();
  served.daemon.take_freed();
  constexpr std::uint64_t count = 4 * per_thread;
  CHECK(served.daemon.freed_count == count);
  CHECK(served.daemon.freed_sum == 8 * count * (count + 1) + (63 + 12) * count);
  CHECK(served.daemon.lost_count == 0);
}

TEST_CASE("a freed block leaves a client that says nothing else") {
  Served served;
  served.client.free_elsewhere({0x5500'0000'1000, 5, 20});
  for (int i = 0; i < 1'000 && served.memory.ring().freed_count.load() != 0; ++i) ::usleep(1'000);
  CHECK(served.memory.ring().freed_count.load() == 0);
  served.stop();
  CHECK(served.daemon.freed_count == 1);
}

TEST_CASE("two processes, the ring mapped from its descriptor") {
  auto memory = RingMemory::create();
  REQUIRE(memory);
  const UniqueFd doorbell = new_doorbell();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(50);
    auto mapped = RingMemory::map(UniqueFd{::dup(memory->fd())});
    if (!mapped) ::_exit(2);
    static ClientRing client;
    client.attach(mapped->ring(), doorbell.get());
    const unsigned wrong = wrong_echoes(client, 20'000, 5);
    client.call(Operation::finalize);
    ::_exit(wrong == 0 ? 0 : 1);
  }
  EchoDaemon daemon{memory->ring(), doorbell.get()};
  daemon.run();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(daemon.lost_count == 0);
}

TEST_CASE("the doorbell is rung only when the daemon sleeps") {
  auto memory = RingMemory::create().value();
  const UniqueFd doorbell = new_doorbell();
  DaemonRing daemon{memory.ring()};
  ClientRing client;
  client.attach(memory.ring(), doorbell.get());
  auto ping_once = [&](bool asleep) {
    if (asleep) REQUIRE(daemon.sleep_begin());
    std::thread caller{[&] { client.call(Operation::ping); }};
    while (daemon.take_ready([&](const Request& r) { daemon.answer(r.ticket, 0); }) == 0)
      std::this_thread::yield();
    caller.join();
    daemon.sleep_end();
    std::uint64_t value = 0;
    return ::read(doorbell.get(), &value, sizeof value) == sizeof value;
  };
  CHECK(!ping_once(false));
  CHECK(ping_once(true));
  CHECK(!ping_once(false));
}

TEST_CASE("with a request waiting the daemon does not go to sleep") {
  auto memory = RingMemory::create().value();
  DaemonRing daemon{memory.ring()};
  memory.ring().slots[700].sequence = 1;
  memory.ring().ready[700 / 64] = std::uint64_t{1} << 700 % 64;
  CHECK(!daemon.sleep_begin());
  CHECK(memory.ring().daemon_sleeps == 0);
}

TEST_CASE("a request in a slot has one answer, whatever the client writes meanwhile") {
  auto memory = RingMemory::create().value();
  Ring& ring = memory.ring();
  DaemonRing daemon{ring};
  auto take = [&] {
    ring.ready[0] = 1;
    Ticket ticket{};
    const unsigned count = daemon.take_ready([&](const Request& r) { ticket = r.ticket; });
    return count == 1 ? ticket : Ticket{};
  };
  CHECK(take().sequence == 0);  // a bit without a request
  ring.slots[0].sequence = 41;
  const Ticket first = take();
  CHECK(first.sequence == 41);
  ring.slots[0].sequence = 42;
  CHECK(take().sequence == 0);  // one is under way
  CHECK(!daemon.answer({0, 42}, 0));
  CHECK(!daemon.answer({slot_count, 41}, 0));
  CHECK(daemon.answer(first, 5));
  CHECK(ring.slots[0].replied == 41);
  CHECK(!daemon.answer(first, 6));
  CHECK(ring.slots[0].status == 5);
  CHECK(take().sequence == 42);
}

TEST_CASE("garbage all over the ring") {
  auto memory = RingMemory::create().value();
  DaemonRing daemon{memory.ring()};
  std::mt19937_64 random{1};
  auto* words = reinterpret_cast<std::uint64_t*>(&memory.ring());
  for (int round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < sizeof(Ring) / 8; ++i) words[i] = random();
    std::vector<Ticket> tickets;
    CHECK(daemon.take_ready([&](const Request& r) { tickets.push_back(r.ticket); }) <= slot_count);
    for (const Ticket ticket : tickets) CHECK(daemon.answer(ticket, 0));
    CHECK(daemon.under_way_count() == 0);
  }
}

TEST_CASE("more threads than slots wait their turn") {
  auto memory = RingMemory::create().value();
  const UniqueFd doorbell = new_doorbell();
  DaemonRing daemon{memory.ring()};
  ClientRing client;
  client.attach(memory.ring(), doorbell.get());
  constexpr unsigned thread_count = slot_count + 40;
  std::atomic<unsigned> answered = 0;
  std::vector<pthread_t> threads(thread_count);
  struct Context {
    ClientRing* client;
    std::atomic<unsigned>* answered;
  } context{&client, &answered};
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::pthread_attr_setstacksize(&small, 64 * 1024);
  for (auto& thread : threads)
    REQUIRE(::pthread_create(&thread, &small,
                             [](void* argument) -> void* {
                               auto* c = static_cast<Context*>(argument);
                               c->client->call(Operation::ping);
                               ++*c->answered;
                               return nullptr;
                             },
                             &context) == 0);
  std::vector<Ticket> held;  // all slots busy before the first answer
  while (held.size() < slot_count)
    if (daemon.take_ready([&](const Request& r) { held.push_back(r.ticket); }) == 0)
      std::this_thread::yield();
  for (const Ticket ticket : held) REQUIRE(daemon.answer(ticket, 0));
  while (answered < thread_count)
    if (daemon.take_ready([&](const Request& r) { daemon.answer(r.ticket, 0); }) == 0)
      std::this_thread::yield();
  for (const auto& thread : threads) ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&small);
}

TEST_CASE("a ring's memory is sealed, and what is not a ring is refused") {
  auto memory = RingMemory::create().value();
  CHECK(::ftruncate(memory.fd(), 4096) != 0);
  memory.ring().magic_word = 0;
  CHECK(RingMemory::map(UniqueFd{::dup(memory.fd())}).error().code == EPROTO);
  CHECK(RingMemory::map(UniqueFd{::open("/dev/null", O_RDWR | O_CLOEXEC)}).error().code == EPROTO);
}
