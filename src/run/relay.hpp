// Where --tag sends a rank's output: a process of its own that puts the rank before each line.
// gallocy-run itself must not read it: a rank that waits for a page inside write(2) holds the
// pipe's lock, and a reader then sleeps uninterruptibly.
#pragma once

#include <optional>

#include "run/child.hpp"

namespace gallocy::run {

class Relay {
 public:
  // Copies to `output_fd` of this process.
  static Try<Relay> start(unsigned rank, int output_fd, const sigset_t& signal_mask);

  // Where the rank writes. Once; when all copies of it are closed the relay ends.
  UniqueFd take_input() { return std::move(input_); }
  Child& child() { return child_; }

 private:
  Relay(UniqueFd input, Child child) : input_(std::move(input)), child_(std::move(child)) {}
  UniqueFd input_;
  Child child_;
};

// The rank, if this process was started as a relay.
std::optional<unsigned> relayed_rank(int argc, char** argv);

// Copies standard input to standard output until the end of file. Lines stay whole also among
// the lines of others, up to 64 KiB.
int relay_lines(unsigned rank);

}  // namespace gallocy::run
