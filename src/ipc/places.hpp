// Where private daemons have their sockets: gallocy-run makes a folder for each job, the tools look
// for them.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace gallocy::ipc {

inline constexpr const char* scratch_prefix = "gallocy-";  // followed by six random characters
inline constexpr const char* socket_suffix = ".sock";      // of "NODE.sock" in such a folder

// Folders that may have scratch folders, the preferred one first.
inline std::vector<std::string> scratch_parents() {
  std::vector<std::string> parents;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/')
    parents.push_back(runtime);
  parents.push_back("/tmp");
  return parents;
}

}  // namespace gallocy::ipc
