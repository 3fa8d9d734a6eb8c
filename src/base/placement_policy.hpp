// Which node runs a thread that is created without naming one. The same word for launcher,
// daemons and core.
#pragma once

#include <cstdint>

namespace gallocy {

enum class PlacementPolicy : std::uint32_t {
  spread,       // on the node that has the fewest live threads of this creator
  pack,         // as many as it has CPUs on the creator's node, then on the next
  round_robin,  // in turn
};
inline constexpr unsigned placement_policy_count = 3;

}  // namespace gallocy
