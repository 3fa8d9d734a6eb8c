// What the members that are left after a removal have of the pages of one home, and what follows
// from it. Copies tell all where there are any: who has the page exclusively is its owner, and
// everything else that is readable has the last bytes. Without a copy, the bytes that a node gave
// away may still be in its slot.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/message.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

class Tally {  // of one page
 public:
  // False: nobody who keeps to the protocol says that beside what others said.
  bool add(NodeId from, const PageReport& report) {
    const bool has_copy = report.copy != Copy::none;
    const bool exclusive = report.copy == Copy::exclusive;
    const bool alone = owner_ == no_node && (!exclusive || copyset_.empty());
    if (version_of(from) != nullptr || (has_copy && !alone)) return false;
    if (exclusive) owner_ = from;
    if (has_copy) copyset_.insert(from);
    reports_.push_back({from, report});
    return true;
  }

  NodeSet copyset() const { return copyset_; }
  NodeId owner() const { return owner_; }  // no_node: none
  Version version() const {
    Version latest{};
    for (const Said& said : reports_)
      latest = std::max({latest, said.report.version, said.report.kept_version});
    return latest;
  }

  // The node whose slot has the page's last bytes; no_node: none has. Bytes that went to a removed
  // node are not: it may have written others. If the receiver had them, its own report says all:
  // what it did with them came later.
  NodeId keeper(NodeSet members) const {
    for (const Said& said : reports_) {
      const Transaction& kept_for = said.report.kept_for;
      if (kept_for.counter == 0 || !members.contains(kept_for.requester)) continue;
      if (planted(Bug::slots_trusted)) return said.from;
      const Version* const receivers = version_of(kept_for.requester);
      if (receivers == nullptr || *receivers < said.report.kept_version) return said.from;
    }
    return no_node;
  }

 private:
  struct Said {
    NodeId from;
    PageReport report;
  };
  const Version* version_of(NodeId node) const {
    for (const Said& said : reports_)
      if (said.from == node) return &said.report.version;
    return nullptr;
  }

  NodeSet copyset_;
  NodeId owner_ = no_node;
  std::vector<Said> reports_;
};

using Census = std::map<PageNo, Tally>;

}  // namespace gallocy::core
