// The command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipc/protocol.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

struct Options {
  unsigned rank_count = 1;
  std::vector<std::string> daemon_sockets;  // empty: start private daemons, one a rank
  double timeout_s = 0;                     // 0: none
  std::uint64_t memory_bytes = 0;           // of each node; 0: not said
  double peer_timeout_s = 0;                // of private daemons; 0: not said
  bool statistics_line = false;
  std::string statistics_file;  // empty: none
  bool verbose = false;
  bool every_rank_runs_main = false;
  PlacementPolicy placement = PlacementPolicy::spread;
  bool tagged = false;                     // each line of output begins with its rank
  std::optional<bool> preload;             // not said: unless it is linked with libgallocy
  bool explained = false;
  std::vector<std::string> exported;       // NAME=value, for the ranks
  int guest_fd = -1;  // the program runs already, as rank 0, and waits there for its invitation
  std::vector<std::string> command;  // program and its arguments; not empty

  bool wants_statistics() const { return statistics_line || !statistics_file.empty(); }
};

// What to do: run something, or print this text and leave with status 0.
struct Request {
  Options options;
  std::optional<std::string> text;
};

Try<Request> parse_command_line(int argc, char** argv);

}  // namespace gallocy::run
