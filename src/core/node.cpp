#include "core/node.hpp"

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"
#include "core/planted.hpp"

namespace gallocy::core {

Node::Node(const Config& config, std::span<PageEntry> entries)
    : config_(config), table_(entries), outbox_(config_), memory_(config_, table_),
      chunks_(config_, entries.size(), memory_, outbox_), homes_(config_, table_, chunks_, outbox_),
      holds_(config_, clock_), directory_(config_, memory_, outbox_),
      returns_(config_, chunks_, directory_, outbox_),
      prefetcher_(config_, table_, chunks_, memory_, outbox_),
      requester_(config_, clock_, table_, chunks_, directory_, prefetcher_, memory_, holds_,
                 statistics_, outbox_),
      holder_(config_, table_, chunks_, memory_, requester_, outbox_),
      evictor_(config_, table_, chunks_, holder_, requester_, memory_, outbox_),
      threads_(config_, statistics_, outbox_), sync_objects_(config_, outbox_),
      sync_calls_(config_, homes_, threads_, outbox_), root_(config_, outbox_),
      freed_(config_, chunks_, threads_, outbox_), gathering_(config_, freed_, returns_, outbox_),
      early_(config_),
      recovery_(config_, table_, chunks_, holder_, homes_, sync_calls_, outbox_) {
  GALLOCY_CHECK(config_.nodes.contains(config_.self), GALLOCY_VALUE(raw(config_.self)));
  GALLOCY_CHECK(entries.size() % pages_per_chunk == 0, GALLOCY_VALUE(entries.size()));
}

void Node::step(TimeUs now_us, const Event& event, Actions& actions) {
  GALLOCY_CHECK(!carrying_out_);
  carrying_out_ = true;
  outbox_.begin(actions);
  if (can_return_chunks()) returns_.proceed(now_us);
  std::visit([&](const auto& what) { on(now_us, what); }, event);
  drain_local(now_us);
  // A page that was granted in this step begins a hold of what its thread had before when it has
  // been installed. What is due would go in between, and the thread would never have all it needs.
  if (!requester_.has_granted()) holder_.on_time(now_us);
  threads_.on_time(now_us);
  sync_calls_.on_time(now_us);
  freed_.on_time(now_us);
  gathering_.on_time(now_us);
  drain_local(now_us);
  use_room(now_us);
  outbox_.end();
}

void Node::carried_out(TimeUs now_us) {
  GALLOCY_CHECK(carrying_out_);
  carrying_out_ = false;
  statistics_.carried_out(now_us);
  installed_.clear();
  requester_.carried_out(now_us, installed_);
  holder_.carried_out(installed_);
  table_.carried_out();
}

TimeUs Node::next_deadline() const {
  if (can_return_chunks()) return 1;  // at once
  TimeUs next_us = 0;  // of those that are not 0
  for (const TimeUs deadline_us :
       {holder_.next_deadline(), threads_.next_deadline(), sync_calls_.next_deadline(),
        freed_.next_deadline(), gathering_.next_deadline(), evictor_.next_deadline()})
    if (deadline_us != 0 && (next_us == 0 || deadline_us < next_us)) next_us = deadline_us;
  return next_us;
}

void Node::drain_local(TimeUs now_us) {
  Message message;
  while (outbox_.take_local(message)) receive(config_.self, message, now_us);
}

// Copies of this node's own zero pages go at once, so that there may be room again.
void Node::use_room(TimeUs now_us) {
  do {
    directory_.use_room();
    requester_.use_room();
    drain_local(now_us);
    evictor_.make_room(directory_.starved_count() + requester_.waiting_for_frame_count(), now_us);
    drain_local(now_us);
    prefetcher_.advance(requester_.waiting_for_frame_count() > 0);
    drain_local(now_us);
  } while (memory_.take_changed());
}

void Node::receive(NodeId from, const Message& message, TimeUs now_us) {
  if (!config_.nodes.contains(from) && !planted(Bug::zombie_is_heard)) return;
  if (message.epoch > config_.epoch) return keep_newer(from, message);
  const bool is_over = message.epoch < config_.epoch && ends_with_its_epoch(message.body);
  if (is_over && !planted(Bug::accept_old_epoch)) return;
  const Received received{from, message.transaction, now_us};
  const bool is_too_soon = is_early(message);
  const auto take = [&](const auto& body) {
    if constexpr (requires { body.since_us; }) clock_.hear(body.since_us, now_us);
    return is_too_soon ? early(received, body) : handle(received, body);
  };
  if (std::visit(take, message.body)) return;
  GALLOCY_CHECK(from != config_.self, GALLOCY_VALUE(message.body.index()),
                GALLOCY_VALUE(message.transaction.counter));
  drop_peer(from);
}

void Node::drop_peer(NodeId peer) {
  outbox_.act(DropPeer{peer, "a message that the protocol does not allow in this state"});
}

bool Node::is_early(const Message& message) const {
  if (!chunks_.awaits_grant()) return false;
  const auto unknown = [this](PageNo page) {
    return table_.contains(page) && chunks_.home_of(chunk_of(page)) == no_node;
  };
  if (const auto* request = std::get_if<PageRequest>(&message.body)) return unknown(request->page);
  if (const auto* hasten = std::get_if<Hasten>(&message.body)) return unknown(hasten->page);
  const auto* sync = std::get_if<SyncRequest>(&message.body);
  return sync != nullptr && homes_.valid_address(sync->address) &&
         unknown(homes_.page_at(sync->address));
}

bool Node::early(const Received& from, const PageRequest& body) {
  return early_.keep(from.from, from.transaction, body);
}
bool Node::early(const Received& from, const Hasten& body) {
  return early_.hasten(from.from, from.transaction, body);
}
// Nobody has the chunk before the grant is here, so there is no object in it; how many threads ask
// for one has no bound. A take that is withdrawn has had its answer.
bool Node::early(const Received& from, const SyncRequest& body) {
  if (!is_possible(body)) return false;
  if (body.operation != SyncOperation::withdraw)
    outbox_.send(from.from, from.transaction, SyncReply{EINVAL, 0});
  return true;
}

void Node::receive_early(TimeUs now_us) {
  for (const EarlyRequest& early : early_.take())
    receive(early.from, {config_.epoch, 0, early.transaction, early.request}, now_us);
}

void Node::on(TimeUs now_us, const Fault& fault) {
  if (table_.contains(fault.page)) {
    requester_.on_fault(fault, now_us);
    return;
  }
  ++statistics_.of(fault.client).faults_seen;
  outbox_.act(Poison{fault.client, fault.page});
  statistics_.resolved(fault.client, Resolution::poisoned, now_us);
}

void Node::on(TimeUs now_us, const PeerMessage& message) {
  receive(message.from, message.message, now_us);
}

void Node::on(TimeUs, const ClientAttached& attached) {
  outbox_.act(Attached{attached.client, threads_.attach(attached.client, attached.runs_main)});
}

// Of a job that ends with it a client that has gone is as one that stands still: nobody gets its
// locks, and its threads have not ended. What it left half done nobody takes for whole in the time
// until the job has ended.
void Node::on(TimeUs, const ClientGone& gone) {
  if (config_.outlives_clients || planted(Bug::ended_job_inherits)) {
    sync_calls_.forget_client(gone.client);
    threads_.forget_client(gone.client);
  }
  requester_.forget_client(gone.client);
  holds_.forget_client(gone.client);
  freed_.forget_client(gone.client);
}

void Node::on(TimeUs now_us, const ClientCall& made) {
  holds_.on_progress({made.tag.client, made.thread});
  std::visit([&](const auto& what) { call(made.tag, what, now_us); }, made.call);
}

void Node::on(TimeUs now_us, const BlockFreed& freed) { freed_.on_freed(freed, now_us); }
void Node::on(TimeUs, const TokenTaken& taken) { sync_calls_.on_token_taken(taken); }
void Node::on(TimeUs, const JobEnding& ending) { threads_.end(ending.status); }

void Node::on(TimeUs, const Tick&) {}

// ---- addresses and homes -----------------------------------------------------------------

// Whoever holds a page has asked its home for it, so the home is known.
bool Node::from_home(NodeId from, PageNo page) const {
  return table_.contains(page) && chunks_.home_of(chunk_of(page)) == from;
}

// ---- messages ----------------------------------------------------------------------------

bool Node::handle(const Received& from, const PageRequest& body) {
  return homes_.homed_here(body.page) &&
         directory_.on_request(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Recall& body) {
  return from_home(from.from, body.page) &&
         holder_.on_recall(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Invalidate& body) {
  if (!from_home(from.from, body.page)) return false;
  if (prefetcher_.on_invalidate(body.page)) {
    outbox_.send(body.requester, from.transaction, InvalidateAck{body.page});
    return true;
  }
  return holder_.on_invalidate(from.from, from.transaction, body, from.now_us);
}
// To the home it comes from who made the request; the home itself passes it on under the
// transaction of somebody else, or to another node.
bool Node::handle(const Received& from, const Hasten& body) {
  if (homes_.homed_here(body.page) && from.transaction.requester == from.from)
    directory_.on_hasten(from.from, from.transaction, body);
  else if (from_home(from.from, body.page))
    holder_.on_hasten(from.transaction, body, from.now_us);
  else
    return false;
  return true;
}
bool Node::handle(const Received& from, const SlotWanted& body) {
  if (!homes_.homed_here(body.page)) return false;
  directory_.on_slot_wanted(from.from, from.transaction, body);
  return true;
}
bool Node::handle(const Received& from, const InvalidateAck& body) {
  return table_.contains(body.page) &&
         requester_.on_ack(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const PageData& body) {
  return table_.contains(body.page) &&
         requester_.on_data(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Grant& body) {
  return table_.contains(body.page) &&
         requester_.on_grant(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const Done& body) {
  return homes_.homed_here(body.page) &&
         directory_.on_done(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Release& body) {
  return from_home(from.from, body.page) &&
         holder_.on_release(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Writeback& body) {
  if (!homes_.homed_here(body.page)) return false;
  bool bytes_wanted = false;
  const WritebackOutcome outcome =
      directory_.on_writeback(from.from, from.transaction, body, bytes_wanted);
  if (bytes_wanted) {
    PageEntry& entry = table_.at(body.page);
    if (entry.state != PageState::invalid) return false;
    entry.state = PageState::shared;
    entry.version = body.version;
    outbox_.act(Store{body.page});
    memory_.note_change();  // a request of this node's may wait for a frame, and have it now
  }
  outbox_.send(from.from, from.transaction, WritebackAck{body.page, outcome});
  return true;
}
bool Node::handle(const Received& from, const WritebackAck& body) {
  return from_home(from.from, body.page) &&
         evictor_.on_ack(from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const Denial& body) {
  return table_.contains(body.page) &&
         requester_.on_denial(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const PrefetchRequest& body) {
  std::vector<PageNo> granted;
  PrefetchAnswer answer{body.first, 0};
  for (std::uint64_t i = 0; i < prefetch_window; ++i) {
    if ((body.wanted >> i & 1) == 0) continue;
    const PageNo page{raw(body.first) + i};
    // The coordinator may have named this node as home before its grant has come here.
    if (!homes_.homed_here(page) || !directory_.share_at_once(from.from, page,
                                                       table_.at(page).hold_until_us, from.now_us))
      continue;
    answer.granted |= std::uint64_t{1} << i;
    granted.push_back(page);
  }
  outbox_.send(from.from, from.transaction, answer);
  for (const PageNo page : granted) {
    PageEntry& entry = table_.at(page);
    if (entry.state == PageState::exclusive) outbox_.act(Protect{page});
    entry.state = PageState::shared;
    outbox_.send(from.from, from.transaction, PrefetchData{page, entry.version},
                 Payload{PayloadKind::frame, no_slot});
  }
  return true;
}
bool Node::handle(const Received& from, const PrefetchAnswer& body) {
  return table_.contains(body.first) &&
         prefetcher_.on_answer(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const PrefetchData& body) {
  return table_.contains(body.page) && prefetcher_.on_data(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ChunkRequest& body) {
  return chunks_.on_request(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ChunkGrant& body) {
  if (!chunks_.on_grant(from.from, from.transaction, body)) return false;
  receive_early(from.now_us);
  return true;
}
bool Node::handle(const Received& from, const ChunkQuery& body) {
  return chunks_.on_query(from.from, from.transaction, body);
}

bool Node::handle(const Received& from, const ChunkHome& body) {
  std::vector<WaitsForHome> waiting;
  if (!chunks_.on_home(from.from, body, waiting)) return false;
  learn_home(body.chunk, body.home, waiting, from.now_us);
  return true;
}

void Node::learn_home(ChunkNo chunk, NodeId home, const std::vector<WaitsForHome>& waiting,
                      TimeUs now_us) {
  prefetcher_.on_home(chunk, home);
  for (const WaitsForHome& one : waiting) {
    if (const PageNo* page = std::get_if<PageNo>(&one)) {
      requester_.on_home_known(*page, home);
      continue;
    }
    if (const CallTag* tag = std::get_if<CallTag>(&one)) {
      chunks_.answer_home(*tag, home);
      continue;
    }
    const ForHome& request = std::get<ForHome>(one);
    if (home != no_node)
      homes_.send(chunk, request);
    else if (std::holds_alternative<SyncRequest>(request.body))
      sync_calls_.on_reply(config_.self, request.transaction, {EINVAL}, now_us);
  }
}

bool Node::handle(const Received& from, const SyncRequest& body) {
  return homes_.homed_here(body.address) &&
         sync_objects_.on_request(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const SyncReply& body) {
  return sync_calls_.on_reply(from.from, from.transaction, body, from.now_us);
}
bool Node::handle(const Received& from, const TokenRecall& body) {
  return sync_calls_.on_recall(from.from, body);
}
bool Node::handle(const Received& from, const TokenReturn& body) {
  return homes_.homed_here(body.lock.address) && sync_objects_.on_return(from.from, body);
}
bool Node::handle(const Received& from, const Unheld& body) {
  return sync_calls_.on_unheld(from.from, body);
}
bool Node::handle(const Received& from, const ThreadStart& body) {
  return threads_.on_start(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ThreadStarted& body) {
  return threads_.on_started(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ThreadExited& body) {
  return threads_.on_exited(from.from, body);
}
bool Node::handle(const Received& from, const ThreadJoin& body) {
  return threads_.on_join(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ThreadJoined& body) {
  return threads_.on_joined(from.from, from.transaction, body);
}

bool Node::handle(const Received& from, const ThreadControl& body) {
  return threads_.on_control(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ThreadControlled& body) {
  return threads_.on_controlled(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const ThreadCancel& body) {
  return threads_.on_cancel(from.from, body);
}
bool Node::handle(const Received& from, const ThreadCancelled& body) {
  return threads_.on_cancelled(from.from, body);
}
bool Node::handle(const Received& from, const ThreadCountRequest&) {
  threads_.on_count_request(from.from, from.transaction);
  return true;
}
bool Node::handle(const Received& from, const ThreadCount& body) {
  threads_.on_count(from.from, from.transaction, body, from.now_us);
  return true;
}
bool Node::handle(const Received& from, const RootRequest& body) {
  return root_.on_request(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const RootReply& body) {
  return root_.on_reply(from.from, from.transaction, body);
}

bool Node::handle(const Received& from, const ChunkReturn& body) {
  if (!recovery_.note_returned(from.from, body)) return false;
  if (!returns_.on_return(from.from, from.transaction, body)) return false;
  sync_objects_.forget_memory(homes_.address_of(body.first), body.count * chunk_bytes);
  return true;
}
bool Node::handle(const Received& from, const ChunkReturned&) {
  return returns_.on_returned(from.from, from.transaction);
}
bool Node::handle(const Received& from, const Discard& body) {
  if (!chunks_.contains(body.chunk) || chunks_.home_of(body.chunk) != from.from) return false;
  prefetcher_.on_discard(body.chunk);
  return holder_.on_discard(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const Discarded& body) {
  return returns_.on_discarded(from.from, from.transaction, body, from.now_us);
}

bool Node::handle(const Received& from, const LoanRequest& body) {
  return chunks_.on_loan_request(from.from, from.transaction, body);
}
bool Node::handle(const Received& from, const Loan& body) {
  return chunks_.on_loan(from.from, from.transaction, body);
}

bool Node::handle(const Received& from, const BlocksFreed& body) {
  return freed_.on_message(body, from.now_us);
}
bool Node::handle(const Received& from, const GatherFreed&) {
  return gathering_.on_request(from.from, from.transaction, from.now_us);
}
bool Node::handle(const Received& from, const FreedGathered& body) {
  return gathering_.on_gathered(from.from, from.transaction, body);
}

// ---- calls of local clients --------------------------------------------------------------

void Node::call(CallTag tag, const ChunksCall& call, TimeUs) { chunks_.on_call(tag, call); }

void Node::call(CallTag tag, const SyncCall& call, TimeUs now_us) {
  sync_calls_.on_call(tag, call, now_us);
}
void Node::call(CallTag tag, const ConditionWaitCall& call, TimeUs now_us) {
  sync_calls_.on_call(tag, call, now_us);
}

void Node::call(CallTag tag, const ThreadCreateCall& call, TimeUs) {
  threads_.on_create(tag, call);
}
void Node::call(CallTag tag, const ThreadJoinCall& call, TimeUs now_us) {
  threads_.on_join(tag, call, now_us);
}
void Node::call(CallTag tag, const ThreadControl& call, TimeUs) { threads_.on_control(tag, call); }
void Node::call(CallTag tag, const ThreadCancelledCall& call, TimeUs) {
  if (threads_.on_cancelled(tag, call))
    threads_.await_ends(call.thread, sync_calls_.on_cancelled(call.thread));
}
void Node::call(CallTag tag, const ThreadInterruptedCall& call, TimeUs) {
  sync_calls_.on_interrupted(tag, call);
}
void Node::call(CallTag tag, const RootRequest& call, TimeUs) { root_.on_call(tag, call); }
void Node::call(CallTag tag, const ReturnChunksCall& call, TimeUs) { returns_.on_call(tag, call); }
void Node::call(CallTag tag, const ClaimChunkCall& call, TimeUs) {
  chunks_.on_claim_call(tag, call);
}
void Node::call(CallTag tag, const HomeCall& call, TimeUs) { chunks_.on_home_call(tag, call); }
void Node::call(CallTag tag, const NextOrderCall&, TimeUs) { threads_.on_next_order(tag); }
void Node::call(CallTag tag, const ThreadStarted& call, TimeUs) { threads_.on_started(tag, call); }
void Node::call(CallTag tag, const ThreadExited& call, TimeUs now_us) {
  sync_calls_.on_exited(tag, call, now_us);
}

void Node::call(CallTag tag, const PrefetchCall& call, TimeUs) {
  const std::uint64_t last = call.address + call.size_bytes - 1;
  const bool valid = call.size_bytes > 0 && last >= call.address &&
                     homes_.valid_address(call.address) && homes_.valid_address(last);
  outbox_.act(Reply{tag, valid ? 0 : EINVAL, {}});
  if (!valid) return;
  const PageNo first = homes_.page_at(call.address);
  prefetcher_.on_call(first, raw(homes_.page_at(last)) - raw(first) + 1);
}

void Node::call(CallTag tag, const TakeFreedCall& call, TimeUs now_us) {
  freed_.on_take(tag, call, now_us);
}
void Node::call(CallTag tag, const GatherFreedCall&, TimeUs) { gathering_.on_call(tag); }

}  // namespace gallocy::core
