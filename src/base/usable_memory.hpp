// How much memory programs of this machine can have: its RAM, or less where this process is in a
// control group with a limit, as in a container, a unit of systemd or a batch system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gallocy {

struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string file;  // says so, and may be written by whoever may raise the limit; empty: it is RAM

  std::string reason() const;  // "this machine has", or "its control group may have (FILE)"
};

// The lowest limit of the control group of this process and of all groups around it, in version 1
// or 2. Below `root`: for tests. Empty: there is none.
std::optional<MemoryLimit> control_group_limit(const std::string& root = {});

MemoryLimit usable_memory();

inline std::uint64_t half_of_usable_memory_bytes() { return usable_memory().bytes / 2; }

}  // namespace gallocy
