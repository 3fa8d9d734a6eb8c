// A rank as the launcher sees it, without memory or userfaultfd: it checks in with
// fake_gallocyd, and then does as told. Linked with libgallocy, or it would run once.
//   fake_rank [RANK:DEED...]
//   late=N             exits a second after the start
//   exit=N, signal=N   after the start        early=N  exit before checking in
//   absent             never checks in        hang     ignores SIGTERM and the end
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "gallocy/gallocy.h"
#include "ipc/socket.hpp"

using namespace gallocy;

namespace {

constexpr int limit_ms = 60'000;

std::string rank_text() {
  const char* text = ::getenv("GALLOCY_RANK");
  return text != nullptr ? text : "none";
}

// The number behind "RANK:deed=", 0 for "RANK:deed"; -1 if not told.
int deed(int argc, char** argv, const std::string& name) {
  const std::string wanted = rank_text() + ":" + name;
  for (int i = 1; i < argc; ++i) {
    const std::string given = argv[i];
    if (given == wanted) return 0;
    if (given.starts_with(wanted + "=")) return ::atoi(argv[i] + wanted.size() + 1);
  }
  return -1;
}

int await_ready(int socket) {
  return ipc::receive<ipc::ClientReady>(socket, {}, limit_ms) ? 0 : 70;
}

}  // namespace

int main(int argc, char** argv) {
  if (gallocy_rank() >= 0) return 1;  // not in a job of libgallocy's
  if (const int status = deed(argc, argv, "early"); status >= 0) return status;
  if (deed(argc, argv, "absent") >= 0) ::pause();
  if (deed(argc, argv, "hang") >= 0) ::signal(SIGTERM, SIG_IGN);
  const auto socket = ipc::connect_to(::getenv("GALLOCY_SOCKET"));
  if (!socket) return 70;
  ipc::ClientHello hello;
  hello.job = std::strtoull(::getenv("GALLOCY_JOB"), nullptr, 16);
  hello.rank = static_cast<std::uint32_t>(std::stoul(rank_text()));
  hello.build_id_size = 20;
  std::memset(hello.build_id, 0xab, 20);
  hello.load_address = 0x1000;
  if (!ipc::send_message(socket->get(), hello, {}, limit_ms)) return 70;
  if (await_ready(socket->get()) != 0) return 70;
  std::printf("rank %s runs\n", rank_text().c_str());
  std::fflush(stdout);
  if (const int number = deed(argc, argv, "signal"); number >= 0) ::raise(number);
  if (const int status = deed(argc, argv, "exit"); status >= 0) return status;
  if (const int status = deed(argc, argv, "late"); status >= 0) {
    ::sleep(1);
    std::printf("rank %s is late\n", rank_text().c_str());
    return status;
  }
  if (deed(argc, argv, "hang") >= 0)
    for (;;) ::pause();
  return await_ready(socket->get());
}
