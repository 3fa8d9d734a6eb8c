// What a node does when a member of the job is removed; see recovery.hpp.
#include <utility>

#include "base/check.hpp"
#include "core/node.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

void Node::on(TimeUs now_us, const MemberRemoved& removal) {
  GALLOCY_CHECK(removal.node != config_.self && config_.nodes.contains(removal.node),
                GALLOCY_VALUE(raw(removal.node)));
  GALLOCY_CHECK(removal.heir != removal.node && config_.nodes.contains(removal.heir),
                GALLOCY_VALUE(raw(removal.heir)));
  GALLOCY_CHECK(raw(removal.epoch) == raw(config_.epoch) + 1, GALLOCY_VALUE(raw(removal.epoch)));
  // By the homes of the old epoch, like what is known to have been sent to them.
  const auto unanswered = sync_calls_.calls_to(removal.node);
  homes_.forget_waiting(removal.node);
  config_.nodes.erase(removal.node);
  config_.epoch = removal.epoch;

  early_.take();
  directory_.begin_epoch(removal.node, removal.epoch);
  if (removal.heir == config_.self)
    removal.for_each_inherited([&](ChunkNo chunk) {
      directory_.inherit(chunk, removal.node, removal.epoch);
    });
  holder_.begin_epoch();
  prefetcher_.begin_epoch();
  memory_.end_evictions();
  const auto found = chunks_.begin_epoch(removal);
  requester_.begin_epoch();
  returns_.begin_epoch(removal.node);
  gathering_.begin_epoch(removal.node);
  sync_calls_.ask_anew(unanswered, now_us);
  recovery_.begin(removal);

  threads_.forget_node(removal.node, now_us);
  root_.begin_epoch(removal.node);
  for (const ChunkMap::Found& one : found)
    learn_home(one.chunk, chunks_.home_of(one.chunk), one.waiting, now_us);
  receive_newer(now_us);
}

// Others hear of an epoch earlier. Whoever has reported to them has heard of it, too, so what comes
// too early was not asked for by this node: no answer with bytes is among it.
void Node::keep_newer(NodeId from, const Message& message) {
  const bool has_bytes = std::holds_alternative<PageData>(message.body) ||
                         std::holds_alternative<PrefetchData>(message.body) ||
                         std::holds_alternative<Writeback>(message.body);
  if (planted(Bug::newer_epoch_dropped)) return;
  if (has_bytes || newer_.size() >= max_newer) return drop_peer(from);
  newer_.push_back({from, message});
}

void Node::receive_newer(TimeUs now_us) {
  for (const PeerMessage& one : std::exchange(newer_, {}))
    receive(one.from, one.message, now_us);  // what is of a later epoch still waits again
}

bool Node::handle(const Received& from, const Report& body) {
  if (!recovery_.on_report(from.from, body)) return false;
  if (recovery_.is_complete()) rebuild();
  return true;
}

void Node::rebuild() {
  const auto taken_back = directory_.rebuild(recovery_.census());
  for (const auto& [page, tally] : recovery_.census())
    if (const DirectoryEntry* const entry = directory_.find(page);
        entry != nullptr && has_reserved_frame(*entry))
      memory_.come_home(page);
  memory_.set_reserved(directory_.reserving_pages());
  recovery_.finish(sync_objects_, taken_back);
}

bool Node::handle(const Received& from, const Rebuilt& body) {
  if (chunks_.is_ready(from.from)) return false;
  for (const PageNo page : body.taken_back)
    if (!from_home(from.from, page) || !holder_.take_back(page, from.from == config_.self))
      return false;
  if (!body.last) return true;
  holder_.free_slots_of(from.from, from.now_us);
  chunks_.note_ready(from.from);
  homes_.send_waiting();
  requester_.on_ready();
  return true;
}

bool Node::handle(const Received& from, const Lost& body) {
  return table_.contains(body.page) && requester_.on_lost(from.from, from.transaction, body);
}

}  // namespace gallocy::core
