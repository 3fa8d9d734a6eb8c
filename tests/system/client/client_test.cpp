// The real libgallocy.so in processes of its own, against a daemon that is made for the test.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fake_daemon.hpp"
#include "uffd/region.hpp"

using namespace gallocy;
using namespace gallocy::test;
using Clock = std::chrono::steady_clock;

namespace {

std::string g_program, g_counting;

std::string socket_path() { return "/tmp/gallocy-client-test-" + std::to_string(::getpid()); }

// A rank: runs the program with both outputs in one pipe.
class Rank {
 public:
  Rank(unsigned rank, std::vector<std::string> arguments, bool with_socket = true,
       std::string program = g_program) {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    output_.reset(fds[0]);
    const UniqueFd writer{fds[1]};
    std::vector<char*> argv{program.data()};
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // The race detector can't see what threads of a job agree on through another process.
    std::vector<std::string> environment{"TSAN_OPTIONS=report_bugs=0", "GALLOCY_RUN=/no/such"};
    if (with_socket) {
      environment.push_back("GALLOCY_SOCKET=" + socket_path());
      environment.push_back("GALLOCY_JOB=0xabc");
      environment.push_back("GALLOCY_RANK=" + std::to_string(rank));
    }
    std::vector<char*> envp;
    for (auto& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    ::personality(ADDR_NO_RANDOMIZE);
    ::dup2(writer.get(), 1);
    ::dup2(writer.get(), 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(99);
  }
  ~Rank() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  Rank(const Rank&) = delete;

  // The wait status, or -1 after 20 s.
  int wait() {
    for (int i = 0; i < 20'000; ++i) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return status;
      }
      ::usleep(1000);
    }
    return -1;
  }

  int wait_exit() {
    const int status = wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string output() {
    std::string text(4096, '\0');
    pollfd entry{output_.get(), POLLIN, 0};
    if (::poll(&entry, 1, 0) <= 0) return "";
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(
        0, ::read(output_.get(), text.data(), text.size()))));
    return text;
  }

 private:
  UniqueFd output_;
  pid_t pid_ = -1;
};

bool wait_until(auto condition) {
  for (int i = 0; i < 10'000 && !condition(); ++i) ::usleep(1000);
  return condition();
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// Accepts one client, hears its hello and says `answer`.
std::string first_answer(std::function<void(int fd)> answer, int& exit_code) {
  const auto listener = ipc::listen_at(socket_path().c_str());
  REQUIRE(listener);
  Rank rank{0, {"wait"}};
  UniqueFd client;
  REQUIRE(wait_until([&] {
    auto accepted = ipc::accept_from(listener->get());
    if (accepted) client = std::move(*accepted);
    return bool(client);
  }));
  REQUIRE(ipc::receive<ipc::ClientHello>(client.get(), {}, 5000));
  answer(client.get());
  client.reset();
  exit_code = rank.wait_exit();
  ::unlink(socket_path().c_str());
  return rank.output();
}

}  // namespace

TEST_CASE("the whole interface in one rank") {
  FakeDaemon daemon{socket_path(), 1};
  Rank rank{0, {"everything"}};
  const int exit_code = rank.wait_exit();
  INFO(rank.output());
  CHECK(exit_code == 0);
}

TEST_CASE("after gallocy_init nothing allocates") {
  FakeDaemon daemon{socket_path(), 1};
  Rank rank{0, {}, true, g_counting};
  const int exit_code = rank.wait_exit();
  const bool right = exit_code == 0 || exit_code == 77;  // 77: a sanitizer build
  INFO(rank.output());
  CHECK(right);
}

TEST_CASE("not started by the launcher, and none is there") {
  Rank rank{0, {"wait"}, false};
  CHECK(rank.wait_exit() == 3);
  const std::string output = rank.output();
  CHECK(contains(output, (std::to_string(ENOTCONN) + " ").c_str()));
  CHECK(contains(output, "/no/such could not be run"));
}

TEST_CASE("no daemon there") {
  Rank rank{0, {"wait"}};
  CHECK(rank.wait_exit() == 3);
  CHECK(contains(rank.output(), "can't connect to the pager daemon"));
}

TEST_CASE("a daemon that dies ends its clients with a sentence and 70") {
  FakeDaemon daemon{socket_path(), 2};
  Rank rank0{0, {"wait"}};
  Rank rank1{1, {"wait"}};
  REQUIRE(wait_until([&] { return daemon.attached_count == 2; }));
  const auto start = Clock::now();
  daemon.die();
  CHECK(rank0.wait_exit() == 70);
  CHECK(rank1.wait_exit() == 70);
  CHECK(Clock::now() - start < std::chrono::seconds(2));
  CHECK(rank0.output() == "gallocy: the pager daemon of node 0 has gone; rank 0 ends\n");
}

TEST_CASE("also while a thread waits for a page, or a request for its reply") {
  FakeDaemon daemon{socket_path(), 2};
  const Sentence stuck{Hex{FakeDaemon::stuck_address}};
  Rank parked{0, {"touch", stuck.c_str()}};
  REQUIRE(wait_until([&] { return daemon.stuck_count > 0; }));
  daemon.answers = false;
  Rank asking{0, {"request"}};
  REQUIRE(wait_until([&] { return daemon.attached_count == 2; }));
  ::usleep(50'000);
  daemon.die();
  CHECK(parked.wait_exit() == 70);
  CHECK(asking.wait_exit() == 70);
  CHECK(contains(parked.output(), "has gone; rank 0 ends"));
}

TEST_CASE("also while the agent itself waits for a reply") {
  FakeDaemon daemon{socket_path(), 1};
  Rank rank{0, {"wait"}};
  REQUIRE(wait_until([&] { return daemon.attached_count == 1; }));
  daemon.answers = false;
  daemon.send_order(0, {2, 0, 0, 0});
  ::usleep(100'000);
  daemon.die();
  CHECK(rank.wait_exit() == 70);
}

TEST_CASE("another rank than 0 stays in gallocy_init and exits with the job's status") {
  FakeDaemon daemon{socket_path(), 2};
  Rank rank{1, {"free-stray"}};  // would abort if gallocy_init returned
  REQUIRE(wait_until([&] { return daemon.attached_count == 1; }));
  ::usleep(50'000);
  daemon.send_order(1, {2, 7, 0, 0});
  CHECK(rank.wait_exit() == 7);
}

TEST_CASE("a block freed in another rank comes back to its heap") {
  FakeDaemon daemon{socket_path(), 2};
  Rank rank1{1, {"wait"}};
  REQUIRE(wait_until([&] { return daemon.attached_count == 1; }));
  Rank rank0{0, {"free-elsewhere"}};
  const int exit_code = rank0.wait_exit();
  INFO(rank0.output());
  CHECK(exit_code == 0);
}

TEST_CASE("freeing what is no block ends the process with a sentence that names it") {
  for (const char* mode : {"free-twice", "free-stray"}) {
    FakeDaemon daemon{socket_path(), 1};
    Rank rank{0, {mode}};
    const int status = rank.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    CHECK(contains(rank.output(), " at 0x"));
  }
}

TEST_CASE("a refusal reaches the program as code and sentence") {
  int exit_code = 0;
  const std::string output = first_answer(
      [](int fd) {
        REQUIRE(ipc::send_refused(fd, Error{EBUSY, Sentence("rank 0 is there already")}, 5000));
      },
      exit_code);
  CHECK(exit_code == 3);
  CHECK(contains(output, (std::to_string(EBUSY) + " rank 0 is there already").c_str()));
}

TEST_CASE("noise and a closed connection in place of a welcome are errors") {
  int exit_code = 0;
  char noise[sizeof(ipc::ClientWelcome)];
  for (char& byte : noise) byte = static_cast<char>(std::rand());
  std::string output = first_answer(
      [&](int fd) {
        REQUIRE(ipc::send_datagram(fd, std::as_bytes(std::span{noise}), {}, 5000));
      },
      exit_code);
  CHECK(exit_code == 3);
  CHECK(contains(output, "protocol"));
  output = first_answer([](int) {}, exit_code);
  CHECK(exit_code == 3);
  CHECK(contains(output, "closed"));
}

TEST_CASE("a welcome with descriptors of the wrong kind is an error") {
  int exit_code = 0;
  first_answer(
      [](int fd) {
        ipc::ClientWelcome welcome;
        welcome.region_address = region_base;
        welcome.region_size_bytes = chunk_bytes;
        welcome.rank_count = 1;
        const UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
        const int fds[] = {null.get(), null.get(), null.get(), null.get(), null.get()};
        REQUIRE(ipc::send_message(fd, welcome, fds, 5000));
      },
      exit_code);
  CHECK(exit_code == 3);
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  g_program = argv[1];
  g_counting = argv[2];
  if (const auto device = uffd::open_device(); !device) {
    std::printf("skipped: %s\n", device.error().sentence.c_str());
    return 77;
  }
  return doctest::Context(argc - 2, argv + 2).run();
}
