// `gallocy stat`: the statistics pages (gallocy/stats.h) of the jobs on this machine's daemons.
#pragma once

#include <string>
#include <vector>

namespace gallocy::tools {

struct StatOptions {
  std::vector<std::string> sockets;  // empty: all daemons that gallocy-run has started
  std::string job;                   // as it is printed; empty: all
  bool json = false;
};

// 0; 64 if a socket was named that is none; 69 if a daemon does not answer as it should.
int stat(const StatOptions& options);

}  // namespace gallocy::tools
