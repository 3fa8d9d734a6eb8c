// What must hold of one node between two steps, checked by GALLOCY_CHECK. What must hold
// between nodes is checked by the simulator, which sees all of them.
#pragma once

#include "core/node.hpp"

namespace gallocy::core {

// Cheap enough for every step: sizes and counters only.
void check_counters(const Node& node);

// Everything: each page, each pending request, each demand.
void check_invariants(const Node& node);

}  // namespace gallocy::core
