#include "run/memory.hpp"

#include <fmt/format.h>

#include <fstream>

namespace gallocy::run {

std::string more_than_usable(std::uint64_t memory_bytes, unsigned daemon_count,
                             const MemoryLimit& usable) {
  if (memory_bytes <= usable.bytes / daemon_count) return {};
  return fmt::format("warning: {} node{} of {} MiB may take more than the {} MiB that {}; if the "
                     "job fills that, the kernel kills it: give a smaller --memory",
                     daemon_count, daemon_count == 1 ? "" : "s", memory_bytes >> 20,
                     usable.bytes >> 20, usable.reason());
}

std::uint64_t out_of_memory_kill_count() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  std::uint64_t count = 0;
  while (file >> name >> count)
    if (name == "oom_kill") return count;
  return 0;
}

}  // namespace gallocy::run
