// The daemons of this machine, as far as their sockets lie where gallocy-run puts them.
#pragma once

#include <string>
#include <vector>

namespace gallocy::tools {

struct Scratch {  // of one gallocy-run
  std::string folder;
  std::vector<std::string> sockets;  // of daemons that answer, by name
  bool stale = false;                // nothing answers, and it is no newcomer
};

// Those of this user; root sees all of them.
std::vector<Scratch> find_scratch_folders();

}  // namespace gallocy::tools
