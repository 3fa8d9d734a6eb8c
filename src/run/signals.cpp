#include "run/signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.hpp"

namespace gallocy::run {

namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

Signals::Signals() {
  // Were it ignored, the kernel would throw away what children ended with.
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t ending, blocked;
  sigemptyset(&ending);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
    if (!is_ignored(signal)) sigaddset(&ending, signal);
  blocked = ending;
  // Nothing that can't be written is a reason to leave processes behind: a closed standard error,
  // statistics that are larger than a file may be.
  sigaddset(&blocked, SIGPIPE);
  sigaddset(&blocked, SIGXFSZ);
  ::sigprocmask(SIG_BLOCK, &blocked, &original_mask_);
  fd_.reset(::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  GALLOCY_CHECK(bool(fd_), GALLOCY_VALUE(errno));
}

int Signals::take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return 0;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace gallocy::run
