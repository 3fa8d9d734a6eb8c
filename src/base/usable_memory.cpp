#include "base/usable_memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace gallocy {
namespace {

namespace fs = std::filesystem;

struct Hierarchy {
  const char* folder;      // where it is mounted
  const char* limit_file;  // in each group's folder
};
// Beside a version 1 that has the memory controller, version 2 is mounted elsewhere, without it.
constexpr Hierarchy version_1{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"};
constexpr Hierarchy version_2{"/sys/fs/cgroup", "memory.max"};

bool lists_memory(std::string_view controllers) {
  while (!controllers.empty()) {
    const auto comma = controllers.find(',');
    if (controllers.substr(0, comma) == "memory") return true;
    controllers.remove_prefix(comma == controllers.npos ? controllers.size() : comma + 1);
  }
  return false;
}

// "max" is none.
std::optional<std::uint64_t> read_limit(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t bytes = 0;
  return file >> bytes ? std::optional{bytes} : std::nullopt;
}

void take_lower(std::optional<MemoryLimit>& lowest, const std::string& root,
                const Hierarchy& hierarchy, std::string_view group) {
  // In a container the group's name may be that outside of it, and what is mounted its own: then
  // the folder is not there, but those of groups around it are.
  for (fs::path rest = fs::path(group).relative_path();; rest = rest.parent_path()) {
    const fs::path file = fs::path(hierarchy.folder) / rest / hierarchy.limit_file;
    const auto bytes = read_limit(root + file.native());
    if (bytes && (!lowest || *bytes < lowest->bytes)) lowest = MemoryLimit{*bytes, file.native()};
    if (rest.empty()) return;
  }
}

}  // namespace

std::string MemoryLimit::reason() const {
  return file.empty() ? "this machine has" : "its control group may have (" + file + ")";
}

std::optional<MemoryLimit> control_group_limit(const std::string& root) {
  std::optional<MemoryLimit> lowest;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:cpu,memory:/a/b", or "0::/a/b"
    const auto first = line.find(':');
    const auto second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view text = line;
    const std::string_view controllers = text.substr(first + 1, second - first - 1);
    const std::string_view group = text.substr(second + 1);
    if (controllers.empty()) take_lower(lowest, root, version_2, group);
    else if (lists_memory(controllers)) take_lower(lowest, root, version_1, group);
  }
  return lowest;
}

MemoryLimit usable_memory() {
  const std::uint64_t ram_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                  static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  auto limit = control_group_limit();
  if (limit && limit->bytes < ram_bytes) return *limit;
  return {ram_bytes, {}};
}

}  // namespace gallocy
