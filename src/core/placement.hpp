// On which node the next thread runs that a program creates without naming one.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.hpp"
#include "core/config.hpp"

namespace gallocy::core {

// How many threads of the program, made here, live on each node, by node id.
using LiveThreads = std::array<std::uint32_t, max_node_count>;

class Placement {
 public:
  explicit Placement(const Config& config) : config_(config), last_(config.self) {}

  // A node of the job. Each node decides for the threads that it creates, by those it created:
  // nobody is asked, and what other nodes create is balanced by them.
  NodeId choose(const LiveThreads& live);

 private:
  NodeId after(NodeId node) const;
  NodeId idlest(const LiveThreads& live) const;
  NodeId first_with_room(const LiveThreads& live) const;

  const Config& config_;
  NodeId last_;  // chosen; at first the creator, where main() or the creating thread runs
};

}  // namespace gallocy::core
