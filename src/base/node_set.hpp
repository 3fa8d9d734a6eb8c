// A set of nodes in one word: copysets and acknowledgement counts.
#pragma once

#include <bit>
#include <cstdint>

#include "base/ids.hpp"

namespace gallocy {

class NodeSet {
 public:
  constexpr NodeSet() = default;
  constexpr explicit NodeSet(std::uint64_t bits) : bits_(bits) {}
  constexpr explicit NodeSet(NodeId node) { insert(node); }

  constexpr void insert(NodeId node) { bits_ |= bit(node); }
  constexpr void erase(NodeId node) { bits_ &= ~bit(node); }
  constexpr bool contains(NodeId node) const { return (bits_ & bit(node)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr unsigned count() const { return static_cast<unsigned>(std::popcount(bits_)); }
  constexpr std::uint64_t bits() const { return bits_; }

  // The lowest-numbered member. REQUIRES: not empty.
  constexpr NodeId lowest() const {
    return NodeId{static_cast<std::uint8_t>(std::countr_zero(bits_))};
  }

  constexpr NodeSet without(NodeId node) const { return NodeSet{bits_ & ~bit(node)}; }
  friend constexpr bool operator==(NodeSet, NodeSet) = default;

  template <class Visit>
  constexpr void for_each(Visit visit) const {
    for (std::uint64_t rest = bits_; rest != 0; rest &= rest - 1)
      visit(NodeId{static_cast<std::uint8_t>(std::countr_zero(rest))});
  }

 private:
  static constexpr std::uint64_t bit(NodeId node) { return std::uint64_t{1} << raw(node); }
  std::uint64_t bits_ = 0;
};

}  // namespace gallocy
