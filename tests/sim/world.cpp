#include "world.hpp"

#include <fmt/format.h>

#include "core/describe.hpp"
#include "pairs.hpp"
#include "workload.hpp"

namespace gallocy::sim {

World::World(const Settings& settings)
    : settings_(settings), random_(settings.seed), pattern_(*settings.workload),
      faults_(settings.faults, random_), network_(timeline_, random_, faults_),
      members_(settings.node_count), oracle_(machines_) {
  faults_.choose_slow_node(settings_.node_count);
  faults_.choose_late_answers(settings_.late);
  removes_ = random_.one_in(3);
  make_machines();
  workload_ = std::make_unique<Workload>(*this);
}

World::~World() = default;

void World::make_machines() {
  core::Config config;
  for (unsigned node = 0; node < settings_.node_count; ++node)
    config.nodes.insert(NodeId{static_cast<std::uint8_t>(node)});
  // Small limits, so that each is reached in most runs.
  config.slot_count = random_.one_in(3) ? static_cast<std::uint32_t>(random_.between(1, 3)) : 64;
  config.max_outstanding =
      random_.one_in(3) ? static_cast<std::uint32_t>(random_.between(1, 3)) : 256;
  config.max_prefetched = random_.one_in(2) ? 64 : 1024;
  config.chunk_batch = static_cast<std::uint32_t>(random_.between(1, 2));
  // Memory pressure: a program's pages are 5 to 60, some of them homed at each node.
  if (faults_.strikes(FaultKind::pressure, 2)) {
    const bool tight = random_.one_in(2);
    config.cache_min_pages = random_.between(4, tight ? 9 : 24);
    config.memory_pages =
        config.slot_count + config.cache_min_pages + random_.between(2, tight ? 12 : 30);
    config.chunk_frames = 1;
  }
  // Some nodes may have enough.
  const bool all_tight = random_.one_in(2);
  const std::uint64_t tight_pages = config.memory_pages;
  const std::uint64_t chunk_count = settings_.node_count + random_.between(2, 4);
  const auto client_count = static_cast<unsigned>(random_.between(1, 2));
  for (unsigned node = 0; node < settings_.node_count; ++node) {
    config.self = NodeId{static_cast<std::uint8_t>(node)};
    const bool is_tight = all_tight || random_.one_in(2);
    config.memory_pages = is_tight ? tight_pages : core::Config{}.memory_pages;
    const TimeUs ahead_us = random_.one_in(2) ? random_.below(10'000'000'000) : 0;
    machines_.push_back(std::make_unique<Machine>(config, chunk_count * pages_per_chunk,
                                                  client_count, ahead_us, *this));
  }
  tick_at_us_.assign(settings_.node_count, 0);
}

void World::run() {
  for (const auto& machine : machines_)
    for (unsigned client = 0; client < machine->client_count(); ++client)
      step(machine->id(),
           core::ClientAttached{ClientId{static_cast<std::uint16_t>(client)}, client == 0});
  workload_->start();
  while (!timeline_.empty()) {
    const Happening next = timeline_.take();
    now_us_ = next.at_us;
    if (next.kind == Happening::Kind::membership) {
      later_.take(next.index)();
      continue;
    }
    trouble_members();
    if (is_over(next)) continue;
    faults_.trouble_node(now_us_, next.node);
    if (!put_off(next)) happen(next);
  }
  workload_->check_ended();
  oracle_.check_quiet();
}

void World::calm_down() {
  if (faults_.stopped()) return;
  faults_.stop();
  calm_at_us_ = now_us_;
}

bool World::put_off(const Happening& happening) {
  if (!network_.put_off(now_us_, happening)) return false;
  TimeUs& planned_us = tick_at_us_[raw(happening.node)];
  if (happening.kind == Happening::Kind::tick && planned_us == happening.at_us)
    planned_us = faults_.paused_until_us(happening.node);
  return true;
}

void World::happen(const Happening& happening) {
  switch (happening.kind) {
    case Happening::Kind::delivery: {
      const Parcel parcel = network_.take(happening.index);
      step(happening.node, core::PeerMessage{parcel.from, parcel.message}, parcel.bytes);
      return;
    }
    case Happening::Kind::fault: {
      const core::Fault fault = page_faults_.take(happening.index);
      if (workload_->still_reported(happening.node, fault)) step(happening.node, fault);
      return;
    }
    case Happening::Kind::thread:
      workload_->run_thread(happening.index);
      return;
    case Happening::Kind::call:
      step(happening.node, calls_.take(happening.index));
      return;
    case Happening::Kind::agent:
      later_.take(happening.index)();
      return;
    case Happening::Kind::tick:
      tick(happening);
      return;
    case Happening::Kind::membership:
      return;
  }
}

// ---- members -----------------------------------------------------------------------------

// Nothing happens on a node that has ended; one that was removed goes on, and its threads access
// pages for a while, but nobody answers what they have called for.
bool World::is_over(const Happening& happening) {
  const bool crashed = members_.crashed(happening.node);
  if (!crashed && members_.contains(happening.node)) return false;
  switch (happening.kind) {
    case Happening::Kind::delivery:
      if (crashed) network_.take(happening.index);
      return crashed;
    case Happening::Kind::tick:
    case Happening::Kind::fault:
    case Happening::Kind::thread:
      return crashed;
    default:
      return true;
  }
}

void World::trouble_members() {
  if (!removes_ || faults_.stopped() || !workload_->has_begun()) return;
  if (faults_.is_due(FaultKind::crash, 12'000)) lose_node(FaultKind::crash);
  else if (faults_.is_due(FaultKind::removal, 12'000)) lose_node(FaultKind::removal);
}

// Half of the nodes stay, or soon nothing would happen any more. Often two go together, as when a
// rack does: the second while the others recover from the first.
void World::lose_node(FaultKind kind) {
  const NodeSet alive = members_.alive();
  if (alive.count() <= node_count() / 2) return;
  NodeId node;
  do node = NodeId{static_cast<std::uint8_t>(random_.below(node_count()))};
  while (!alive.contains(node));
  if (random_.one_in(2))
    plan_membership(random_.below(2'000), [this, kind] { lose_node(kind); });
  faults_.note(kind);
  if (kind == FaultKind::removal) return remove(node);
  members_.crash(node);
  plan_membership(random_.between(1'000, 20'000), [this, node] { remove(node); });
}

// Its lease has ended. Who coordinates the chunks knows at once: what it hands out from now on is
// agreed upon in the new epoch.
void World::remove(NodeId node) {
  NodeId heir;
  do heir = NodeId{static_cast<std::uint8_t>(random_.below(node_count()))};
  while (heir == node || !members_.contains(heir));
  members_.remove(node, heir, machines_);
  machine(node).fence();
  oracle_.forget_node(node, members_.epoch());
  workload_->forget_node(node);
  // Nobody answers it, so what it waits for never ends; it does.
  plan_membership(50'000, [this, node] { members_.crash(node); });
  const NodeId coordinator = members_.nodes().lowest();
  members_.nodes().for_each([&](NodeId member) {
    const TimeUs delay_us = random_.one_in(3) ? 0 : random_.below(3'000);
    if (member != coordinator)
      plan_membership(delay_us, [this, member] { hear(member); });
  });
  while (!members_.crashed(coordinator) && !members_.has_heard(coordinator)) hear(coordinator);
}

void World::hear(NodeId node) {
  if (members_.has_heard(node) || members_.crashed(node) || !members_.contains(node)) return;
  const core::MemberRemoved removal = members_.take(node);
  oracle_.note_hearing();
  step(node, removal);
  bool all_have_heard = true;
  members_.alive().for_each([&](NodeId member) {
    const Epoch epoch = machine(member).node().config().epoch;
    all_have_heard = all_have_heard && epoch >= removal.epoch;
  });
  if (all_have_heard) oracle_.note_losses(removal.epoch);
}

void World::plan_membership(TimeUs delay_us, std::function<void()> what) {
  timeline_.plan(now_us_ + delay_us, Happening::Kind::membership, NodeId{0},
                 later_.put(std::move(what)));
}

void World::step(NodeId node, const core::Event& event, const Bytes& bytes) {
  recorder_.event(now_us_, node, event);
  settings_.pairs->note(machine(node), event);
  machine(node).step(now_us_, event, bytes);
  oracle_.check_step(machine(node));
  plan_tick(node);
  workload_->check_time();
}

// A daemon's timer may be late.
void World::plan_tick(NodeId node) {
  const TimeUs deadline_us = machine(node).next_deadline_us();
  TimeUs& planned_us = tick_at_us_[raw(node)];
  if (deadline_us == 0 || (planned_us != 0 && planned_us <= deadline_us)) return;
  planned_us = std::max(deadline_us, now_us_) + random_.below(random_.one_in(20) ? 200 : 5);
  timeline_.plan(planned_us, Happening::Kind::tick, node, 0);
}

void World::tick(const Happening& happening) {
  TimeUs& planned_us = tick_at_us_[raw(happening.node)];
  if (planned_us != happening.at_us) return;  // another tick has taken its place
  planned_us = 0;
  const TimeUs deadline_us = machine(happening.node).next_deadline_us();
  if (deadline_us != 0 && deadline_us <= now_us_) step(happening.node, core::Tick{});
  else plan_tick(happening.node);
}

// ---- what machines ask for ---------------------------------------------------------------

// Nobody agrees to chunks that a removed coordinator hands out; so it can't say whose they are.
bool World::hands_out(const core::Message& message) const {
  if (const auto* home = std::get_if<core::ChunkHome>(&message.body))
    return home->home != no_node && !members_.have_agreed(home->chunk, home->home);
  return std::holds_alternative<core::ChunkGrant>(message.body) ||
         std::holds_alternative<core::Loan>(message.body);
}

void World::send(NodeId from, NodeId to, const core::Message& message, const Bytes& bytes) {
  if (!members_.contains(from) && hands_out(message)) return;
  if (const auto* lost = std::get_if<core::Lost>(&message.body); lost && members_.contains(from))
    oracle_.check_loss(lost->page);
  network_.send(now_us_, from, to, message, bytes);
}

void World::wake(NodeId node, ClientId client, PageNo page) {
  workload_->wake(node, client, page);
}

void World::reply(NodeId node, const core::Reply& reply) {
  const auto found = answers_.find(reply.tag.sequence);
  if (found == answers_.end() || found->second.node != node)
    throw Failure("a reply to nobody, or a second one");
  const OnReply on_reply = std::move(found->second.on_reply);
  answers_.erase(found);
  if (members_.contains(node)) on_reply(reply);
}

void World::notify_agent(NodeId node, ClientId client) {
  if (members_.contains(node)) workload_->notify_agent(node, client);
}

void World::freed_pending(NodeId node, ClientId client, std::uint32_t count) {
  if (members_.contains(node)) workload_->freed_pending(node, client, count);
}

void World::attached(NodeId node, ClientId client, ThreadId thread) {
  workload_->attached(node, client, thread);
}

void World::record(NodeId node, const core::Action& action) {
  recorder_.action(now_us_, node, action);
}

// ---- what the workload asks for ----------------------------------------------------------

void World::post_fault(NodeId node, const core::Fault& fault, TimeUs delay_us) {
  timeline_.plan(now_us_ + delay_us, Happening::Kind::fault, node, page_faults_.put(fault));
}

void World::call(NodeId node, ClientId client, core::ClientCall call, TimeUs delay_us,
                 OnReply on_reply) {
  call.tag = {client, 0, ++call_count_};
  answers_.emplace(call.tag.sequence, AnsweredCall{node, std::move(on_reply)});
  timeline_.plan(now_us_ + delay_us, Happening::Kind::call, node, calls_.put(std::move(call)));
}

void World::later(TimeUs delay_us, NodeId node, std::function<void()> what) {
  timeline_.plan(now_us_ + delay_us, Happening::Kind::agent, node, later_.put(std::move(what)));
}

std::uint64_t World::operation_count() const { return workload_->ended_count(); }

std::string World::dump(const std::string& reason) const {
  std::string text = fmt::format("seed {} at {} us, pattern {}: {}\n", settings_.seed, now_us_,
                                 pattern_names[static_cast<unsigned>(pattern_)], reason);
  text += workload_->dump();
  std::optional<PageNo> about = workload_->page_in_question();
  if (const auto at = reason.find("page "); at != std::string::npos)
    about = PageNo{std::strtoull(reason.c_str() + at + 5, nullptr, 10)};
  if (about && raw(*about) < machines_[0]->page_count())
    for (const auto& machine : machines_)
      text += fmt::format("  node {} page {}: {}, mapping {}\n", raw(machine->id()), raw(*about),
                          core::name_of(machine->state(*about)),
                          static_cast<unsigned>(machine->strongest_mapping(*about)));
  return text + recorder_.dump(about, 60);
}

}  // namespace gallocy::sim
