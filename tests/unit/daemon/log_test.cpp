#include "daemon/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <chrono>

using namespace gallocy;
using daemon::Log;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  // Until the writer is quiet for a moment.
  std::string read_all() const {
    std::string text;
    char bytes[4096];
    pollfd entry{out.get(), POLLIN, 0};
    while (::poll(&entry, 1, 300) == 1) {
      const auto size = ::read(out.get(), bytes, sizeof bytes);
      if (size <= 0) break;
      text.append(bytes, static_cast<std::size_t>(size));
    }
    return text;
  }
  UniqueFd out, in;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("lines come out whole, in order, with the name in front") {
  Pipe pipe;
  {
    Log log({pipe.in.get()}, "gallocyd[2]");
    REQUIRE(log.start());
    log.line("one");
    log.line("two");
  }
  CHECK(pipe.read_all() == "gallocyd[2]: one\ngallocyd[2]: two\n");
}

TEST_CASE("nobody waits for a reader that does not read, and the lost lines are counted") {
  Pipe pipe;
  const std::string line(1000, 'x');
  const auto begin = std::chrono::steady_clock::now();
  {
    Log log({pipe.in.get()}, "d");
    REQUIRE(log.start());
    for (int i = 0; i < 2000; ++i) log.line(line);
    CHECK(seconds_since(begin) < 5);
    CHECK(pipe.read_all().find("lines of this log were dropped here") != std::string::npos);
  }
  {
    Log log({pipe.in.get()}, "d");
    REQUIRE(log.start());
    for (int i = 0; i < 2000; ++i) log.line(line);
  }
  CHECK(seconds_since(begin) < 10);
}

TEST_CASE("a reader that has gone costs the log only") {
  Pipe pipe;
  pipe.out.reset();
  ::signal(SIGPIPE, SIG_IGN);
  Log log({pipe.in.get()}, "d");
  REQUIRE(log.start());
  for (int i = 0; i < 100; ++i) log.line("x");
}
