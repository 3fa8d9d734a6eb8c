// What must be true of all nodes together. It sees every frame, mapping and page table, and
// knows the last value written to each cell; no node does.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "machine.hpp"

namespace gallocy::sim {

using Machines = std::vector<std::unique_ptr<Machine>>;

class Oracle {
 public:
  explicit Oracle(const Machines& machines) : machines_(machines) {}

  void wrote(PageNo page, unsigned cell, std::uint64_t value) { truth_[page][cell] = value; }
  // The page was given back: it holds zeros.
  void forget(PageNo page) { truth_.erase(page); }
  // Throws unless `value` is the last one written.
  void read(PageNo page, unsigned cell, std::uint64_t value) const;

  // After a step of `machine`: the pages that the step named.
  void check_step(const Machine& machine) const;
  // When nothing is left to happen.
  void check_quiet() const;

  // A node is no member any more, from that epoch on: nothing that it has or does counts.
  void forget_node(NodeId node, Epoch epoch);
  // A member is about to hear of a removal. What it has sent to the removed node until then, it
  // keeps for nobody any more when it has.
  void note_hearing();
  // All members have heard of that epoch, and no home has made its directory since: what is lost
  // by this removal, or was by one before, is lost for a reason.
  void note_losses(Epoch heard);
  void check_loss(PageNo page) const;

 private:
  void check_page(PageNo page) const;
  void check_machine(const Machine& machine, PageNo page) const;
  void check_directory(PageNo page) const;
  void check_owner(PageNo page) const;
  void check_quiet(const Machine& machine) const;

  const Machine& coordinator() const;
  bool is_settled(NodeId home) const;
  bool same_epoch() const;
  bool had(PageNo page, const Machine& removed) const;
  std::set<PageNo> pages_of(const Machine& removed) const;
  bool is_at_a_member(PageNo page) const;

  const Machines& machines_;
  std::unordered_map<PageNo, Frame> truth_;
  NodeSet removed_;
  // Of them, until all have heard; and what each had when it was removed. What it goes on to do,
  // like giving a page to another that is removed, changes nothing of what is lost with it.
  struct Removal {
    NodeId node{};
    std::set<PageNo> had;
  };
  std::map<Epoch, Removal> unjudged_;
  std::set<PageNo> may_be_lost_;
};

}  // namespace gallocy::sim
