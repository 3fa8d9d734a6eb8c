// The node on which threads die is removed as a whole: it ends, or goes on as if it had not heard
// of it. No object is homed there, so what its threads had and waited for is known to who is left:
// locks come free, robust ones abandoned, and nobody of it stands in a queue.
#include "sync_world.hpp"

namespace gallocy::sim {

// Some nodes only end a client.
void SyncWorld::choose_who_dies() {
  if (random_.one_in(2)) return;
  dying_node_ = last_node();
  crashes_ = faults_.is_due(FaultKind::crash, 3);
  removes_ = crashes_ || faults_.is_due(FaultKind::removal, 3);
}

void SyncWorld::lose_node(std::vector<Actor*> dead) {
  faults_.note(crashes_ ? FaultKind::crash : FaultKind::removal);
  if (crashes_) members_.crash(dying_node_);
  const TimeUs lease_us = crashes_ ? random_.between(1'000, 20'000) : 0;
  later(lease_us, [this, dead = std::move(dead)] { remove(dead); });
}

// Who coordinates the chunks hears at once, and the others at some time.
void SyncWorld::remove(const std::vector<Actor*>& dead) {
  const NodeId heir{static_cast<std::uint8_t>(random_.below(raw(dying_node_)))};
  members_.remove(dying_node_, heir, machines_);
  unheard_ = members_.nodes().count();
  members_.nodes().for_each([&](NodeId member) {
    const bool at_once = member == members_.nodes().lowest() || random_.one_in(3);
    later(at_once ? 0 : random_.below(3'000), [this, member, dead] { hear(member, dead); });
  });
  // What it says until then is said to nobody.
  if (!crashes_) later(50'000, [this] { members_.crash(dying_node_); });
}

void SyncWorld::hear(NodeId member, const std::vector<Actor*>& dead) {
  step(member, members_.take(member));
  if (--unheard_ > 0) return;
  for (Actor* actor : dead) on_death(*actor);
  later(settled_after_us, [this] { expect_no_dead_in_queues(); });
}

}  // namespace gallocy::sim
