// A process that gallocy-run starts: a daemon or a rank. It is named by a pidfd, so that no
// signal can hit a stranger with a recycled number, and it dies with gallocy-run. Or one that was
// there before: a guest.
#pragma once

#include <signal.h>

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "run/environment.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

struct ChildPlan {
  std::string path;
  std::vector<std::string> arguments;    // with the program's name
  Environment environment;
  int input_fd = -1;                     // -1: inherited
  int output_fd = -1;
  int error_fd = -1;
  int death_signal = SIGKILL;            // when gallocy-run dies; 0: none
  bool own_group = false;                // Ctrl-C does not reach it
  bool fixed_addresses = false;          // no address randomisation
  sigset_t signal_mask{};
};

class Child {
 public:
  // 126 if the program can't be executed. A text without "#!" is run by /bin/sh as execvp does.
  static Try<Child> start(const ChildPlan& plan);

  // A process that somebody else has started and waits for: how it ends is not seen and counts as
  // an exit with 0, and it is sent no signals.
  static Try<Child> guest(pid_t pid);

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool ended() const { return wait_status_.has_value(); }
  // True if the process has ended, which makes its wait status known. Never waits.
  bool try_reap();
  // REQUIRES: ended().
  int wait_status() const { return *wait_status_; }
  // Nothing happens if it has ended.
  void send(int signal) const;

 private:
  Child(pid_t pid, UniqueFd pidfd, bool is_guest = false)
      : pid_(pid), is_guest_(is_guest), pidfd_(std::move(pidfd)) {}
  bool guest_has_gone() const;

  pid_t pid_;
  bool is_guest_;
  UniqueFd pidfd_;
  std::optional<int> wait_status_;
};

struct Pipe {
  UniqueFd read_end, write_end;
};
Try<Pipe> make_pipe();

// As a shell tells it: the exit status, or 128 + the signal.
int shell_status(int wait_status);
// "exited with status 3", "was killed by signal 9 (SIGKILL)".
std::string describe_end(int wait_status);

}  // namespace gallocy::run
