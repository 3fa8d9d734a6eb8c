// What /proc/self/smaps says about a mapping.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace gallocy::uffd::testing {

// Whether the mapping that begins at `address` has a flag such as "dc" in its VmFlags.
inline bool has_vm_flag(std::uint64_t address, const std::string& flag) {
  std::ifstream smaps("/proc/self/smaps");
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
      ours = start == address;
    if (!ours || line.rfind("VmFlags:", 0) != 0) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;)
      if (word == flag) return true;
    return false;
  }
  return false;
}

}  // namespace gallocy::uffd::testing
