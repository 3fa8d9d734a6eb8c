// A program that takes part in a job of fake_gallocyd, and then does as told. Linked with
// libgallocy, or it would be preloaded.
//   fake_rank [RANK:DEED...]
//   late=N             exits a second after the start
//   follows=RANK       exits with 0 when the process of that rank has ended; needs $FAKE_PIDS, a
//                      folder where each rank leaves its process id
//   exit=N, signal=N   after the start        early=N  exit before checking in
//   absent             never checks in        hang     ignores SIGTERM and the end
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "fake_client.hpp"
#include "gallocy/gallocy.h"

using namespace gallocy;

namespace {

// -1 if not told.
int deed(int argc, char** argv, const std::string& name) {
  for (int i = 1; i < argc; ++i)
    if (const int number = number_of_deed(argv[i], name); number >= 0) return number;
  return -1;
}

std::string pid_file(const std::string& rank) {
  return std::string(::getenv("FAKE_PIDS")) + "/" + rank;
}

// Every rank has left its id before the first of them is told to begin.
void await_end_of(int rank) {
  pid_t pid = 0;
  std::ifstream(pid_file(std::to_string(rank))) >> pid;
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd entry{process.get(), POLLIN, 0};
  if (process) ::poll(&entry, 1, fake_limit_ms);
}

}  // namespace

int main(int argc, char** argv) {
  if (gallocy_rank() >= 0) return 1;  // not in a job of libgallocy's
  if (const int status = deed(argc, argv, "early"); status >= 0) return status;
  if (deed(argc, argv, "absent") >= 0) ::pause();
  if (deed(argc, argv, "hang") >= 0) ::signal(SIGTERM, SIG_IGN);
  if (::getenv("FAKE_PIDS") != nullptr) std::ofstream(pid_file(rank_text())) << ::getpid();
  const UniqueFd socket = check_in();
  if (!socket || !await_word(socket)) return 70;
  std::printf("rank %s runs\n", rank_text().c_str());
  std::fflush(stdout);
  if (const int number = deed(argc, argv, "signal"); number >= 0) ::raise(number);
  if (const int status = deed(argc, argv, "exit"); status >= 0) return status;
  if (const int status = deed(argc, argv, "late"); status >= 0) {
    ::sleep(1);
    std::printf("rank %s is late\n", rank_text().c_str());
    return status;
  }
  if (const int rank = deed(argc, argv, "follows"); rank >= 0) {
    await_end_of(rank);
    return 0;
  }
  if (deed(argc, argv, "hang") >= 0)
    for (;;) ::pause();
  return await_word(socket) ? 0 : 70;
}
