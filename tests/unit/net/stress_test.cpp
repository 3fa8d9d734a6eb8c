// Many connections at once: hostile ones, and the kernel's worker threads, which must not appear.
#include <dirent.h>

#include <cstdio>

#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "support.hpp"

using namespace gallocy;
using namespace gallocy::net;
using namespace gallocy::net::test;

namespace {

// A request that the ring cannot park in poll is given to an iou-wrk thread: a slow way, and
// a sign that some descriptor is of the wrong kind.
int kernel_worker_count() {
  int count = 0;
  DIR* tasks = ::opendir("/proc/self/task");
  REQUIRE(tasks != nullptr);
  while (const dirent* entry = ::readdir(tasks)) {
    const std::string path = std::string("/proc/self/task/") + entry->d_name + "/comm";
    char name[32] = "";
    if (FILE* file = std::fopen(path.c_str(), "r")) {
      if (std::fgets(name, sizeof name, file) != nullptr) count += contains(name, "iou-wrk");
      std::fclose(file);
    }
  }
  ::closedir(tasks);
  return count;
}

}  // namespace

TEST_CASE("random bytes end a connection with an error and nothing else") {
  const auto ring = make_ring();
  std::vector<std::unique_ptr<Peer>> accepted;
  auto listener = Listener::open(*ring, *parse_endpoint("127.0.0.1:0"), [&](auto peer) {
    accepted.push_back(std::make_unique<Peer>(*ring, std::move(peer->fd)));
  });
  const Endpoint to = *parse_endpoint("127.0.0.1:" + std::to_string(listener->port()));
  std::mt19937 random(42);
  constexpr std::size_t count = 200;
  for (std::size_t i = 0; i < count; ++i) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(::connect(fd.get(), to.get(), to.size_bytes) == 0);
    auto bytes = i % 2 == 0 ? encode(1, pattern(1, random() % 1000)) : std::vector<std::byte>();
    // Every second one begins well, and has a few bytes of a good frame changed.
    for (std::size_t k = 0; k < 4 && !bytes.empty(); ++k)
      bytes[random() % frame_header_bytes] = static_cast<std::byte>(random());
    for (std::size_t k = random() % 3000; k > 0; --k)
      bytes.push_back(static_cast<std::byte>(random()));
    ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ring->run_once(0);
  }
  CHECK(run_until(*ring, [&] {
    return accepted.size() == count && std::all_of(accepted.begin(), accepted.end(),
                                                   [](auto& p) { return p->ends.size() == 1; });
  }));
}

TEST_CASE("no kernel worker thread under load") {
  const auto ring = make_ring();
  std::vector<std::unique_ptr<Peer>> servers, clients;
  auto listener = Listener::open(*ring, *parse_endpoint("127.0.0.1:0"), [&](auto accepted) {
    servers.push_back(std::make_unique<Peer>(*ring, std::move(accepted->fd)));
    Peer* peer = servers.back().get();
    peer->on_frame = [peer](const FrameView& frame) {
      peer->connection.send(frame.message, frame.payload);
    };
  });
  const Endpoint to = *parse_endpoint("127.0.0.1:" + std::to_string(listener->port()));
  std::uint64_t answers = 0;
  const auto payload = pattern(1, 4096);
  std::vector<Dialer> dialers;
  for (int i = 0; i < 16; ++i)
    dialers.emplace_back(*ring, to, now_us() + patience_us, [&](Result<UniqueFd> fd) {
      REQUIRE(fd);
      clients.push_back(std::make_unique<Peer>(*ring, std::move(*fd)));
      Peer* peer = clients.back().get();
      peer->on_frame = [peer, &answers](const FrameView& frame) {
        ++answers;
        peer->connection.send(frame.message, frame.payload);
      };
      for (int k = 0; k < 32; ++k) peer->connection.send(bytes_of("ping"), payload);
    });
  Dialer hopeless(*ring, *parse_endpoint("127.0.0.1:1"), now_us() + patience_us, [](auto) {});
  int workers = 0;
  for (std::uint64_t goal = 2000; goal <= 40'000; goal += 2000) {
    REQUIRE(run_until(*ring, [&] { return answers >= goal; }));
    workers += kernel_worker_count();
  }
  CHECK(clients.size() == 16);
  CHECK(workers == 0);
}
