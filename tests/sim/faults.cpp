#include "faults.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace gallocy::sim {

std::optional<FaultSet> faults_of(const std::string& list) {
  if (list == "all") return all_faults;
  if (list == "none") return 0;
  FaultSet set = 0;
  std::istringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    const auto* const found = std::find(std::begin(fault_names), std::end(fault_names), name);
    if (found == std::end(fault_names)) return std::nullopt;
    set |= 1U << (found - std::begin(fault_names));
  }
  return set == 0 || list.ends_with(',') ? std::nullopt : std::optional(set);
}

bool Faults::strikes(FaultKind kind, std::uint64_t count) {
  if (!is_due(kind, count)) return false;
  note(kind);
  return true;
}

void Faults::choose_slow_node(unsigned node_count) {
  if (strikes(FaultKind::slow, 3))
    slow_ = NodeId{static_cast<std::uint8_t>(random_.below(node_count))};
}

TimeUs Faults::slowness_us(NodeId node) {
  return slow_ == node && !calm_ ? random_.between(20, 200) : 0;
}

// Both directions of a stream are lost together. One that is down cannot be lost again.
void Faults::trouble_connection(TimeUs now_us, NodeId from, NodeId to, unsigned stream) {
  TimeUs& until_us = down_until_us_[stream][raw(from)][raw(to)];
  if (until_us >= now_us && until_us != 0) return;
  if (!strikes(FaultKind::loss, 400)) return;
  until_us = now_us + random_.between(200, 8'000);
  down_until_us_[stream][raw(to)][raw(from)] = until_us;
}

// Who is paused is not paused again: for less, what has been put off would be overtaken.
void Faults::trouble_node(TimeUs now_us, NodeId node) {
  TimeUs& until_us = paused_until_us_[raw(node)];
  if (until_us <= now_us && strikes(FaultKind::pause, 2'000))
    until_us = now_us + random_.between(200, 10'000);
}

}  // namespace gallocy::sim
