// The private daemons of a job: one gallocyd a rank, in a process group of its own, with its
// output in a pipe that only gallocy-run reads.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "run/child.hpp"
#include "run/log_tail.hpp"
#include "run/messages.hpp"
#include "run/scratch.hpp"
#include "run/watch.hpp"

namespace gallocy::run {

class PrivateDaemon {
 public:
  PrivateDaemon(unsigned node, std::string socket_path, Child child, UniqueFd output)
      : node_(node), socket_path_(std::move(socket_path)), child_(std::move(child)),
        output_(std::move(output)) {}

  unsigned node() const { return node_; }
  const std::string& socket_path() const { return socket_path_; }
  Child& child() { return child_; }
  const LogTail& log() const { return log_; }
  int output_fd() const { return output_.get(); }

  // Reads what is there, never waits. False at the end of file.
  bool read_output(Messages* relay);
  // Why it could not be started. REQUIRES: child().ended().
  Refusal start_failure() const;

 private:
  unsigned node_;
  std::string socket_path_;
  Child child_;
  UniqueFd output_;
  LogTail log_;
};

class PrivateDaemons {
 public:
  // `options`: of each, besides those that make it the daemon of its node.
  PrivateDaemons(ScratchFolder folder, std::string executable, std::vector<std::string> options)
      : folder_(std::move(folder)), executable_(std::move(executable)),
        options_(std::move(options)) {}

  // Starts the next node's. REQUIRES: those before it are ready.
  Try<PrivateDaemon*> start_next(const sigset_t& signal_mask);

  std::deque<PrivateDaemon>& all() { return daemons_; }
  void send_all(int signal);
  bool all_ended();

 private:
  ScratchFolder folder_;
  std::string executable_;
  std::vector<std::string> options_;
  std::deque<PrivateDaemon> daemons_;  // addresses stay
};

}  // namespace gallocy::run
