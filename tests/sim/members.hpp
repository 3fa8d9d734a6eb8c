// Who is in the job, as the members agree: the part that consensus will have. Nodes end or are cut
// off; whoever is left hears of it in the same order, each at its own time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "core/event.hpp"
#include "machine.hpp"
#include "oracle.hpp"

namespace gallocy::sim {

class Members {
 public:
  explicit Members(unsigned node_count) {
    for (unsigned node = 0; node < node_count; ++node)
      nodes_.insert(NodeId{static_cast<std::uint8_t>(node)});
  }

  bool contains(NodeId node) const { return nodes_.contains(node); }
  NodeSet nodes() const { return nodes_; }
  Epoch epoch() const { return Epoch{epoch_}; }
  bool removed_any() const { return epoch_ > 1; }
  bool crashed(NodeId node) const { return crashed_.contains(node); }
  // Neither removed nor ended.
  NodeSet alive() const { return NodeSet{nodes_.bits() & ~crashed_.bits()}; }

  void crash(NodeId node) { crashed_.insert(node); }
  void remove(NodeId node, NodeId heir, const Machines& machines) {
    core::MemberRemoved removal{node, heir, Epoch{++epoch_}, {}};
    for (const auto& [chunk, home] : machines[raw(nodes_.lowest())]->node().chunks().homes())
      agreed_[chunk] = home;
    for (auto& [chunk, home] : agreed_) {
      home = home_now(home);
      removal.chunks.push_back({chunk, 1, home});
    }
    nodes_.erase(node);
    heirs_.at(raw(node)) = heir;
    nodes_.for_each([&](NodeId member) { unheard_.at(raw(member)).push_back(removal); });
  }

  // Whether the chunk was handed out to that node, or to whom it is heir of, when a node was last
  // removed.
  bool have_agreed(ChunkNo chunk, NodeId home) const {
    const auto found = agreed_.find(chunk);
    return found != agreed_.end() && home_now(found->second) == home_now(home);
  }

  // The next removal that the node has not heard of. REQUIRES: there is one.
  bool has_heard(NodeId node) const { return unheard_.at(raw(node)).empty(); }
  core::MemberRemoved take(NodeId node) {
    auto& waiting = unheard_.at(raw(node));
    core::MemberRemoved next = std::move(waiting.front());
    waiting.pop_front();
    return next;
  }

 private:
  // The coordinator may have ended before it heard of a removal, and of chunks.
  NodeId home_now(NodeId home) const {
    while (!nodes_.contains(home)) home = heirs_.at(raw(home));
    return home;
  }

  NodeSet nodes_, crashed_;
  std::array<NodeId, node_limit> heirs_{};  // of the removed
  std::map<ChunkNo, NodeId> agreed_;  // that were handed out, as of the last removal
  std::uint64_t epoch_ = 1;
  std::array<std::deque<core::MemberRemoved>, node_limit> unheard_;
};

}  // namespace gallocy::sim
