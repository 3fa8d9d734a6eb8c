#include "core/placement.hpp"

namespace gallocy::core {

NodeId Placement::choose(const LiveThreads& live) {
  switch (config_.placement) {
    case PlacementPolicy::spread: return last_ = idlest(live);
    case PlacementPolicy::pack: return last_ = first_with_room(live);
    case PlacementPolicy::round_robin: break;
  }
  return last_ = after(last_);
}

NodeId Placement::after(NodeId node) const {
  unsigned number = raw(node);
  do number = (number + 1) % max_node_count;
  while (!config_.nodes.contains(NodeId{static_cast<std::uint8_t>(number)}));
  return NodeId{static_cast<std::uint8_t>(number)};
}

// Among equals the next in turn, so that as long as no thread ends this is round robin.
NodeId Placement::idlest(const LiveThreads& live) const {
  NodeId best = after(last_);
  for (NodeId node = after(best); node != after(last_); node = after(node))
    if (live[raw(node)] < live[raw(best)]) best = node;
  return best;
}

// The creator's own node first. When every CPU has a thread, the rest is spread.
NodeId Placement::first_with_room(const LiveThreads& live) const {
  NodeId node = config_.self;
  do {
    if (live[raw(node)] < config_.cpus[raw(node)]) return node;
    node = after(node);
  } while (node != config_.self);
  return idlest(live);
}

}  // namespace gallocy::core
