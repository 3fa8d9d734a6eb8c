#include "ipc/socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/ids.hpp"

using namespace gallocy;
using namespace gallocy::ipc;

namespace {

constexpr int limit_ms = 5000;

struct Pair {
  UniqueFd here, there;
  Pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    here.reset(fds[0]);
    there.reset(fds[1]);
  }
};

unsigned open_fd_count() {
  unsigned count = 0;
  for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

bool contains(const Error& error, std::string_view part) {
  return error.sentence.view().find(part) != std::string_view::npos;
}

std::string socket_path() { return "/tmp/gallocy-ipc-test-" + std::to_string(::getpid()); }

}  // namespace

TEST_CASE("a struct arrives with its descriptors, close-on-exec") {
  Pair pair;
  UniqueFd event{::eventfd(7, EFD_CLOEXEC)};
  ClientWelcome welcome;
  welcome.region_address = region_base;
  welcome.rank = 3;
  const int fds[] = {event.get(), 0, 1, 2, 0};
  REQUIRE(send_message(pair.here.get(), welcome, fds, limit_ms));

  UniqueFd received[welcome_fd_count];
  const auto message = receive<ClientWelcome>(pair.there.get(), received, limit_ms);
  REQUIRE(message);
  CHECK(message->region_address == region_base);
  CHECK(message->rank == 3);
  for (const UniqueFd& fd : received) CHECK(::fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
  std::uint64_t value = 0;
  REQUIRE(::read(received[0].get(), &value, sizeof value) == sizeof value);
  CHECK(value == 7);
}

TEST_CASE("surplus descriptors are closed and the message is refused") {
  Pair pair;
  const unsigned before = open_fd_count();
  const int fds[] = {0, 1, 2};
  REQUIRE(send_message(pair.here.get(), ClientReady{}, fds, limit_ms));
  UniqueFd one[1];
  const auto message = receive<ClientReady>(pair.there.get(), one, limit_ms);
  REQUIRE(!message);
  CHECK(message.error().code == EPROTO);
  CHECK(open_fd_count() == before);
}

TEST_CASE("more descriptors than any message has are closed by kernel and receiver") {
  Pair pair;
  const unsigned before = open_fd_count();
  int fds[20] = {};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  ClientReady ready;
  iovec part{&ready, sizeof ready};
  msghdr raw_message{};
  raw_message.msg_iov = &part;
  raw_message.msg_iovlen = 1;
  raw_message.msg_control = control;
  raw_message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&raw_message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(header), fds, sizeof fds);
  REQUIRE(::sendmsg(pair.here.get(), &raw_message, 0) > 0);
  UniqueFd received[max_fds_per_datagram];
  const auto message = receive<ClientReady>(pair.there.get(), received, limit_ms);
  REQUIRE(!message);
  CHECK(message.error().code == EPROTO);
  CHECK(open_fd_count() == before);
}

TEST_CASE("missing descriptors are an error") {
  Pair pair;
  REQUIRE(send_message(pair.here.get(), ClientUserfault{}, {}, limit_ms));
  UniqueFd one[1];
  CHECK(receive<ClientUserfault>(pair.there.get(), one, limit_ms).error().code == EPROTO);
}

TEST_CASE("a refusal becomes its error") {
  Pair pair;
  REQUIRE(send_refused(pair.here.get(), Error{EBUSY, Sentence("rank 3 is attached already")},
                       limit_ms));
  const auto message = receive<ClientReady>(pair.there.get(), {}, limit_ms);
  REQUIRE(!message);
  CHECK(message.error().code == EBUSY);
  CHECK(message.error().sentence.view() == "rank 3 is attached already");
}

TEST_CASE("a refusal without a closing zero or a code is still one") {
  Refused refused;
  std::memset(refused.sentence, 'x', sizeof refused.sentence);
  CHECK(error_of(refused).code == EPROTO);
  CHECK(error_of(refused).sentence.view().size() == sentence_bytes - 1);
}

TEST_CASE("noise, another version, a wrong size and a long message are errors") {
  Pair pair;
  const int here = pair.here.get(), there = pair.there.get();
  auto code = [&] { return receive<ClientReady>(there, {}, limit_ms).error().code; };
  auto send_bytes = [&](const void* bytes, std::size_t size) {
    REQUIRE(send_datagram(here, {static_cast<const std::byte*>(bytes), size}, {}, limit_ms));
  };
  ClientReady ready;
  ready.header.kind = Kind::client_ready;
  ready.header.size_bytes = sizeof ready;

  send_bytes("hello", 5);
  CHECK(code() == EPROTO);
  send_bytes(&ready, sizeof ready - 8);  // shorter than it says
  CHECK(code() == EPROTO);
  ready.header.version_number = version + 1;
  send_bytes(&ready, sizeof ready);
  const auto other_version = receive<ClientReady>(there, {}, limit_ms);
  CHECK(other_version.error().sentence.view().find("version") != std::string_view::npos);
  static char much[2 * sizeof(JobStatistics)];
  send_bytes(much, sizeof much);
  CHECK(code() == EPROTO);
  REQUIRE(send_message(here, ClientUserfault{}, {}, limit_ms));  // a kind not expected
  CHECK(code() == EPROTO);
}

TEST_CASE("waits end: nothing there, time limit, end of file, no SIGPIPE") {
  Pair pair;
  CHECK(receive<ClientReady>(pair.there.get(), {}, 0).error().code == EAGAIN);
  CHECK(receive<ClientReady>(pair.there.get(), {}, 30).error().code == ETIMEDOUT);
  pair.here.reset();
  CHECK(receive<ClientReady>(pair.there.get(), {}, limit_ms).error().code == ECONNRESET);
  CHECK(send_message(pair.there.get(), ClientReady{}, {}, limit_ms).error().code == EPIPE);
}

TEST_CASE("a sender does not wait for ever for one that does not read") {
  Pair pair;
  int code = 0;
  for (int i = 0; i < 100'000 && code == 0; ++i)
    if (auto status = send_message(pair.here.get(), ClientReady{}, {}, 0); !status)
      code = status.error().code;
  CHECK(code == EAGAIN);
  CHECK(send_message(pair.here.get(), ClientReady{}, {}, 30).error().code == ETIMEDOUT);
}

TEST_CASE("listen, connect, credentials, and a socket file left behind") {
  const std::string path = socket_path();
  CHECK(connect_to(path.c_str()).error().code == ENOENT);
  {
    const auto listener = listen_at(path.c_str());
    REQUIRE(listener);
    CHECK(accept_from(listener->get()).error().code == EAGAIN);
    const auto second = listen_at(path.c_str());
    CHECK(second.error().code == EADDRINUSE);
    CHECK(contains(second.error(), "end it, or name another --socket"));
    while (accept_from(listener->get())) continue;  // the probe of the line above
    const auto client = connect_to(path.c_str());
    REQUIRE(client);
    const auto server = accept_from(listener->get());
    REQUIRE(server);
    const auto credentials = peer_credentials(server->get());
    REQUIRE(credentials);
    CHECK(credentials->pid == ::getpid());
    CHECK(credentials->uid == ::getuid());
  }
  CHECK(connect_to(path.c_str()).error().code == ECONNREFUSED);
  CHECK(listen_at(path.c_str()));
  ::unlink(path.c_str());
  CHECK(connect_to(std::string(200, 'x').c_str()).error().code == ENAMETOOLONG);
}

TEST_CASE("nobody waits for ever for a daemon that accepts nobody") {
  const std::string path = socket_path();
  const auto listener = listen_at(path.c_str());
  REQUIRE(listener);
  std::vector<UniqueFd> waiting;
  auto client = connect_to(path.c_str(), 30);
  for (; client && waiting.size() < 1000; client = connect_to(path.c_str(), 30))
    waiting.push_back(std::move(*client));
  REQUIRE(!client);
  CHECK(client.error().code == ETIMEDOUT);
  CHECK(contains(client.error(), "accepts nobody"));
  {
    // Signals do not make it longer: each interrupts the call, and there is always another.
    struct sigaction action{}, before{};
    action.sa_handler = [](int) {};
    REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
    const itimerval often{{0, 5'000}, {0, 5'000}}, never{};
    REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
    CHECK(connect_to(path.c_str(), 50).error().code == ETIMEDOUT);
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
  }
  CHECK(accept_from(listener->get()));
  CHECK(connect_to(path.c_str(), limit_ms));
  ::unlink(path.c_str());
}

TEST_CASE("a file that is no socket is never removed") {
  const std::string path = socket_path() + ".txt";
  UniqueFd file{::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  const auto listener = listen_at(path.c_str());
  CHECK(listener.error().code == EADDRINUSE);
  CHECK(contains(listener.error(), "is no socket: name another --socket"));
  CHECK(::unlink(path.c_str()) == 0);
}
