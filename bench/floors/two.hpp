// Two processes on CPUs of choice, joined by a TCP connection over loopback that is set up as
// those between daemons are, or by a page of shared memory.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/unique_fd.hpp"
#include "bench/measure.hpp"
#include "net/socket_options.hpp"

namespace bench {

inline std::pair<gallocy::UniqueFd, gallocy::UniqueFd> tcp_pair() {
  using gallocy::UniqueFd;
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  require(::bind(listener.get(), generic, size) == 0, "bind");
  require(::getsockname(listener.get(), generic, &size) == 0, "getsockname");
  require(::listen(listener.get(), 1) == 0, "listen");
  UniqueFd dialled(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(::connect(dialled.get(), generic, size) == 0, "connect");
  UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  require(static_cast<bool>(accepted), "accept");
  gallocy::net::tune(dialled.get());
  gallocy::net::tune(accepted.get());
  return {std::move(dialled), std::move(accepted)};
}

// Runs `other` in a child on its CPU, which ends with this process, and `self` here; the child has
// to end well by itself.
template <class Self, class Other>
void run_two(long self_cpu, long other_cpu, Self self, Other other) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  require(child >= 0, "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    pin(other_cpu);
    other();
    ::_exit(0);
  }
  pin(self_cpu);
  self();
  int status = 0;
  require(::waitpid(child, &status, 0) == child, "waitpid");
  if (status != 0) die("the other process ended with status %d", status);
}

}  // namespace bench
