// `gallocy stat`: the statistics pages (gallocy/stats.h) of the jobs on this machine's daemons.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/report.hpp"

namespace gallocy::tools {

struct StatOptions {
  std::vector<std::string> sockets;  // empty: all daemons that gallocy-run has started
  std::optional<std::string> job;    // in hexadecimal, as it is printed; not said: all
  bool json = false;
};

// The status is 0; 64 if a socket was named that is none, or a job by what is no number; 69 if a
// daemon does not answer as it should, or there is no such job. What is wrong is said here.
Report stat(const StatOptions& options);

}  // namespace gallocy::tools
