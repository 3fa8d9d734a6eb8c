// What befalls nodes and connections in a run, in so far as the run is to have it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "random.hpp"

namespace gallocy::sim {

using TimeUs = std::uint64_t;

enum class FaultKind : std::uint8_t {
  delay,     // a message needs long
  reorder,   // connections overtake each other
  loss,      // a connection is lost and resumed: what is on its way comes late, in its order
  pause,     // a node stops and comes back
  slow,      // one node is slow all the time
  pressure,  // little memory, so that copies are evicted
  crash,     // a node ends, and is removed when its lease has
  removal,   // a node is removed though it lives, and goes on as if it had not heard of it
};
inline constexpr const char* fault_names[] = {"delay", "reorder",  "loss",  "pause",
                                              "slow",  "pressure", "crash", "removal"};
inline constexpr unsigned fault_count = 8;

// What came of them their receiver may have heard from others long before they come.
enum class LateAnswers : std::uint8_t {
  none,
  some,       // of the next two kinds, now and then
  evictions,  // what a home says to an eviction; and acknowledgements, so that pages wait to be
              // installed when it comes
  recalls,    // what a home says to who had a page: hasten, release; and acknowledgements
  ends,       // what ends a transaction at the home, and denials and losses that others follow
};

inline constexpr const char* late_names[] = {"none", "some", "evictions", "recalls", "ends"};

using FaultSet = unsigned;  // bit by kind
inline constexpr FaultSet all_faults = (1U << fault_count) - 1;

// "all", "none" or names with commas between. nullopt: there is no such fault.
std::optional<FaultSet> faults_of(const std::string& list);

inline constexpr unsigned node_limit = 8;

class Faults {
 public:
  Faults(FaultSet set, Random& random) : set_(set), random_(random) {}

  bool has(FaultKind kind) const {
    return !calm_ && (set_ >> static_cast<unsigned>(kind) & 1) != 0;
  }
  // One in `count` times, if the run has this kind.
  bool is_due(FaultKind kind, std::uint64_t count) { return has(kind) && random_.one_in(count); }
  void note(FaultKind kind) { ++counts_[static_cast<unsigned>(kind)]; }
  // Both.
  bool strikes(FaultKind kind, std::uint64_t count);
  void choose_slow_node(unsigned node_count);
  TimeUs slowness_us(NodeId node);
  // In some runs answers of a kind are late, and little else.
  void choose_late_answers(std::optional<LateAnswers> wanted) {
    if (strikes(FaultKind::delay, 2)) late_ = static_cast<LateAnswers>(1 + random_.below(4));
    if (wanted && has(FaultKind::delay)) late_ = *wanted;
  }
  LateAnswers late_answers() const { return late_; }

  // Before a message is sent, and before a node does anything.
  void trouble_connection(TimeUs now_us, NodeId from, NodeId to, unsigned stream);
  void trouble_node(TimeUs now_us, NodeId node);
  // 0: it is up.
  TimeUs down_until_us(NodeId from, NodeId to, unsigned stream) const {
    return down_until_us_[stream][raw(from)][raw(to)];
  }
  TimeUs paused_until_us(NodeId node) const { return paused_until_us_[raw(node)]; }

  // From now on nothing befalls anybody; what has, ends.
  void stop() { calm_ = true; }
  bool stopped() const { return calm_; }
  const std::array<std::uint64_t, fault_count>& counts() const { return counts_; }

 private:
  FaultSet set_;
  Random& random_;
  bool calm_ = false;
  std::optional<NodeId> slow_;
  LateAnswers late_ = LateAnswers::none;
  using Pairs = std::array<std::array<TimeUs, node_limit>, node_limit>;
  std::array<Pairs, 2> down_until_us_{};  // control, bulk
  std::array<TimeUs, node_limit> paused_until_us_{};
  std::array<std::uint64_t, fault_count> counts_{};
};

}  // namespace gallocy::sim
