#include "sync_world.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "core/describe.hpp"

namespace gallocy::sim {
namespace {

constexpr std::uint64_t order_start_thread = 1, order_cancel_thread = 3;  // as core numbers them

const core::SyncRequest* sync_request_of(const core::ClientCall& call) {
  const auto* sync = std::get_if<core::SyncCall>(&call.call);
  return sync == nullptr ? nullptr : &sync->request;
}

}  // namespace

void Asking::await_suspend(std::coroutine_handle<> waiting) {
  if (const auto* request = sync_request_of(call); request != nullptr) {
    auto& locks = world.machines_[raw(actor.node)]->locks(actor.client);
    const bool is_whole = core::is_mutex(request->kind) && !core::is_robust(request->kind);
    if (const auto status = is_whole ? operate(locks, *request) : std::nullopt) {
      reply.status = *status;
      return world.resume(actor, waiting);
    }
  }
  world.call(actor.node, actor.client, call, [this, waiting](const core::Reply& answer) {
    reply = answer;
    world.resume(actor, waiting);
  });
}

void Resting::await_suspend(std::coroutine_handle<> waiting) {
  world.later(for_us, [this, waiting] { world.resume(actor, waiting); });
}

void FutexWaiting::await_suspend(std::coroutine_handle<> waiting) {
  core::SyncRequest look = request;
  look.operation = SyncOperation::value;
  world.call(actor.node, actor.client, {{}, core::SyncCall{look}},
             [this, waiting](const core::Reply& answer) {
               world.expect(answer.status == 0, "a futex has a sequence");
               world.later(world.random().below(50), [this, waiting, value = answer.values[0]] {
                 if (!actor.dead) look_again(value, waiting);
               });
             });
}

void FutexWaiting::look_again(std::uint64_t sequence, std::coroutine_handle<> waiting) {
  if (word != expected) return world.resume(actor, waiting);
  request.argument = sequence;
  world.call(actor.node, actor.client, {{}, core::SyncCall{request, timeout_us}},
             [this, waiting](const core::Reply& answer) {
               status = answer.status;
               world.expect(status == 0 || status == ETIMEDOUT, "a futex lets go for a reason");
               world.resume(actor, waiting);
             });
}

SyncWorld::SyncWorld(const Settings& settings)
    : settings_(settings), random_(settings.seed ^ settings.job << 32),
      faults_(settings.faults, random_), network_(timeline_, random_, faults_),
      members_(settings.node_count), outlives_clients_(!random_.one_in(3)) {
  faults_.choose_slow_node(settings_.node_count);
  make_machines();
}

void SyncWorld::make_machines() {
  core::Config config;
  for (unsigned node = 0; node < settings_.node_count; ++node)
    config.nodes.insert(NodeId{static_cast<std::uint8_t>(node)});
  config.chunk_batch = 1;
  config.outlives_clients = outlives_clients_;
  for (unsigned node = 0; node < settings_.node_count; ++node) {
    config.self = NodeId{static_cast<std::uint8_t>(node)};
    const TimeUs ahead_us = random_.one_in(2) ? random_.below(10'000'000'000) : 0;
    machines_.push_back(std::make_unique<Machine>(config, settings_.node_count * pages_per_chunk, 2,
                                                  ahead_us, *this));
  }
  tick_at_us_.assign(settings_.node_count, 0);
  choose_who_dies();
}

// Every node is home of a chunk, so that objects have all kinds of homes.
void SyncWorld::take_chunks() {
  for (const auto& machine : machines_)
    call(machine->id(), main_client, {{}, core::ChunksCall{1}},
         [this, home = machine->id()](const core::Reply& reply) {
           expect(reply.status == 0, "every node is given a chunk");
           if (!removes_ || home != dying_node_) chunks_.push_back(reply.values[0]);
           if (++allotted_ == node_count()) plan_programs(*this);
         });
}

void SyncWorld::run() {
  for (const auto& machine : machines_) {
    step(machine->id(), core::ClientAttached{main_client, machine->id() == NodeId{0}});
    if (machine->id() == dying_node_) step(dying_node_, core::ClientAttached{dying_client, false});
  }
  take_chunks();
  while (!timeline_.empty()) {
    const Happening next = timeline_.take();
    now_us_ = next.at_us;
    if (ends_with_client() && now_us_ > end_us_) return;
    if (now_us_ > time_limit_us) throw Failure("the programs do not come to an end");
    faults_.trouble_node(now_us_, next.node);
    if (!put_off(next)) happen(next);
  }
  if (!ends_with_client()) check_quiet();
}

bool SyncWorld::put_off(const Happening& happening) {
  if (!network_.put_off(now_us_, happening)) return false;
  TimeUs& planned_us = tick_at_us_[raw(happening.node)];
  if (happening.kind == Happening::Kind::tick && planned_us == happening.at_us)
    planned_us = faults_.paused_until_us(happening.node);
  return true;
}

void SyncWorld::happen(const Happening& happening) {
  switch (happening.kind) {
    case Happening::Kind::delivery: {
      const Parcel parcel = network_.take(happening.index);
      if (members_.crashed(happening.node)) return;
      return step(happening.node, core::PeerMessage{parcel.from, parcel.message});
    }
    case Happening::Kind::call: {
      const auto [made, node] = calls_.take(happening.index);
      if (gone(node, made.tag.client)) return;
      if (const auto* request = sync_request_of(made);
          request != nullptr && request->operation == SyncOperation::give)
        note_tokens(*request, -1);
      return step(node, made);
    }
    case Happening::Kind::agent:
      return later_.take(happening.index)();
    case Happening::Kind::tick:
      return tick(happening);
    case Happening::Kind::fault:
    case Happening::Kind::thread:
    case Happening::Kind::membership:
      throw Failure("nobody touches memory here, and no node is removed");
  }
}

void SyncWorld::step(NodeId node, const core::Event& event) {
  recorder_.event(now_us_, node, event);
  machines_[raw(node)]->step(now_us_, event, std::nullopt);
  plan_tick(node);
}

void SyncWorld::plan_tick(NodeId node) {
  const TimeUs deadline_us = machines_[raw(node)]->next_deadline_us();
  TimeUs& planned_us = tick_at_us_[raw(node)];
  if (deadline_us == 0 || (planned_us != 0 && planned_us <= deadline_us)) return;
  planned_us = std::max(deadline_us, now_us_) + random_.below(random_.one_in(20) ? 200 : 5);
  timeline_.plan(planned_us, Happening::Kind::tick, node, 0);
}

void SyncWorld::tick(const Happening& happening) {
  TimeUs& planned_us = tick_at_us_[raw(happening.node)];
  if (planned_us != happening.at_us) return;  // another tick has taken its place
  planned_us = 0;
  if (!members_.crashed(happening.node)) step(happening.node, core::Tick{});
}

// ---- what machines ask for ---------------------------------------------------------------

void SyncWorld::send(NodeId from, NodeId to, const core::Message& message, const Bytes& bytes) {
  network_.send(now_us_, from, to, message, bytes);
}

void SyncWorld::reply(NodeId node, const core::Reply& reply) {
  if ((removes_ || ends_with_client()) && gone(node, reply.tag.client)) return;
  const auto found = answers_.find(reply.tag.sequence);
  if (found == answers_.end() || found->second.node != node)
    throw Failure("a reply to nobody, or a second one");
  const OnReply on_reply = std::move(found->second.on_reply);
  answers_.erase(found);
  on_reply(reply);
}

void SyncWorld::notify_agent(NodeId node, ClientId client) {
  if (gone(node, client)) return;
  Agent& agent = agents_[{node, client}];
  agent.again = true;
  if (!agent.asking) ask_order(node, client);
}

void SyncWorld::record(NodeId node, const core::Action& action) {
  recorder_.action(now_us_, node, action);
}

// ---- calls, and threads that wait for them -----------------------------------------------

void SyncWorld::call(NodeId node, ClientId client, core::ClientCall call, OnReply on_reply) {
  call.tag = {client, 0, ++call_count_};
  const auto* request = sync_request_of(call);
  const bool takes = request != nullptr && (request->operation == SyncOperation::take ||
                                            request->operation == SyncOperation::try_take);
  if (takes)
    on_reply = [this, taken = *request, next = std::move(on_reply)](const core::Reply& reply) {
      if (reply.status == 0) note_tokens(taken, 1);
      next(reply);
    };
  const auto* control = std::get_if<core::ThreadControl>(&call.call);
  if (control != nullptr && control->operation == ThreadOperation::cancel)
    on_reply = [this, thread = control->thread, next = std::move(on_reply)](
                   const core::Reply& reply) {
      expect_in_no_queue(thread);
      next(reply);
    };
  answers_.emplace(call.tag.sequence, Answer{node, client, std::move(on_reply)});
  timeline_.plan(now_us_ + random_.below(4), Happening::Kind::call, node,
                 calls_.put({std::move(call), node}));
}

void SyncWorld::note_tokens(const core::SyncRequest& request, int change) {
  if (request.kind != SyncKind::semaphore) return;
  if (const auto found = actors_.find(request.thread); found != actors_.end())
    found->second->tokens += static_cast<unsigned>(change);
}

void SyncWorld::later(TimeUs delay_us, std::function<void()> what) {
  timeline_.plan(now_us_ + delay_us, Happening::Kind::agent, NodeId{0},
                 later_.put(std::move(what)));
}

void SyncWorld::resume(Actor& actor, std::coroutine_handle<> program) {
  later(random_.below(5), [this, &actor, program] {
    if (actor.dead) return;
    program.resume();
    end_if_done(actor);
  });
}

void SyncWorld::end_if_done(Actor& actor) {
  if (actor.dead || !actor.program.done()) return;
  if (!actor.known) return later(5, [this, &actor] { end_if_done(actor); });
  call(actor.node, actor.client, {{}, core::ThreadExited{actor.id, 5}},
       [this, &actor](const core::Reply& reply) {
         expect(reply.status == 0, "a thread may end");
         actor.ended = true;
       });
}

// ---- threads: creation, orders to agents -------------------------------------------------

core::ThreadCreateCall SyncWorld::creation(NodeId node, bool cancellable, Begin begin) {
  plans_.push_back({std::move(begin), cancellable});
  return {plans_.size() - 1, 0, node};
}

void SyncWorld::spawn(NodeId node, bool cancellable, Begin begin) {
  ++uncreated_;
  call(NodeId{0}, main_client, {{}, creation(node, cancellable, std::move(begin))},
       [this](const core::Reply& reply) {
         expect(reply.status == 0, "a thread can be created");
         if (--uncreated_ == 0 && planned_ && !std::exchange(troubled_, true)) trouble();
       });
}

void SyncWorld::ask_order(NodeId node, ClientId client) {
  Agent& agent = agents_[{node, client}];
  agent.asking = true;
  agent.again = false;
  call(node, client, {{}, core::NextOrderCall{}}, [this, node, client](const core::Reply& order) {
    Agent& asker = agents_[{node, client}];
    asker.asking = false;
    obey(node, client, order);
    if (order.values[0] != 0 || asker.again) ask_order(node, client);
  });
}

void SyncWorld::obey(NodeId node, ClientId client, const core::Reply& order) {
  const ThreadId thread{order.values[1]};
  if (order.values[0] == order_start_thread) start(node, client, thread, order.values[2]);
  if (order.values[0] == order_cancel_thread)
    call(node, client, {{}, core::ThreadCancelledCall{thread}}, [](const core::Reply&) {});
}

// The thread may run before its node has been told that it does.
void SyncWorld::start(NodeId node, ClientId client, ThreadId thread, std::uint64_t plan) {
  auto& actor = actors_[thread];
  actor = std::make_unique<Actor>();
  call(node, client, {{}, core::ThreadStarted{thread, 0}},
       [begun = actor.get()](const core::Reply&) { begun->known = true; });
  actor->node = node;
  actor->client = client;
  actor->id = thread;
  actor->cancellable = plans_.at(plan).cancellable;
  later(random_.below(10), [this, begun = actor.get(), begin = plans_.at(plan).begin] {
    if (begun->dead) return;
    begun->program = begin(*begun).handle;
    end_if_done(*begun);
  });
}

// ---- what befalls threads ----------------------------------------------------------------

// When all threads have been created, and soon have begun.
void SyncWorld::trouble() {
  for (auto count = random_.below(6); count > 0; --count)
    later(random_.between(100, 5'000), [this] { cancel_someone(); });
  if (dying_node_ != no_node) later(random_.between(100, 5'000), [this] { kill(); });
}

void SyncWorld::cancel_someone() {
  std::vector<ThreadId> candidates;
  for (const auto& [id, actor] : actors_)
    if (actor->cancellable && !actor->ended && !actor->dead) candidates.push_back(id);
  if (candidates.empty()) return;
  const core::ThreadControl cancel{random_.pick(candidates), ThreadOperation::cancel};
  call(safe_node(), main_client, {{}, cancel}, [this](const core::Reply& reply) {
    expect(reply.status == 0, "a thread that nobody has joined can be cancelled");
  });
}

void SyncWorld::kill() {
  killed_ = true;
  std::erase_if(answers_, [this](const auto& answer) {
    return gone(answer.second.node, answer.second.client);
  });
  std::vector<Actor*> dead;
  for (auto& [id, actor] : actors_)
    if (gone(actor->node, actor->client) && !actor->ended) dead.push_back(actor.get());
  for (Actor* actor : dead) actor->dead = true;
  if (removes_) return lose_node(std::move(dead));
  step(dying_node_, core::ClientGone{dying_client});
  end_us_ = now_us_ + settled_after_us;
  if (ends_with_client()) return;
  for (Actor* actor : dead) on_death(*actor);
  later(settled_after_us, [this] { expect_no_dead_in_queues(); });
}

void SyncWorld::expect_no_dead_in_queues() const {
  for_each_waiter([this](const core::SyncRequest& request) {
    expect(!is_dead(request.thread), "the dead stand in no queue");
  });
}

// What is posted or signalled from now on must not come to it.
void SyncWorld::expect_in_no_queue(ThreadId cancelled) const {
  if (is_dead(cancelled)) return;
  for_each_waiter([this, cancelled](const core::SyncRequest& request) {
    const bool is_ended_so =
        request.kind == SyncKind::semaphore || request.kind == SyncKind::condition;
    expect(request.thread != cancelled || !is_ended_so, "who is cancelled waits nowhere");
  });
}

template <class Visit>
void SyncWorld::for_each_waiter(Visit visit) const {
  for (const auto& machine : machines_) {
    if (!members_.contains(machine->id())) continue;
    const core::SyncObjects& objects = machine->node().sync_objects();
    for (const auto& [address, entry] : objects.entries())
      for (const core::SyncQueue* queue : {&entry.queue, &entry.postponed})
        for (const core::SyncWaiter& waiting : *queue) visit(waiting.request);
    for (const auto& [address, queue] : objects.futexes().queues())
      for (const core::SyncWaiter& waiting : queue) visit(waiting.request);
  }
}

// ---- for programs ------------------------------------------------------------------------

std::uint64_t SyncWorld::new_address() {
  return random_.pick(chunks_) + page_bytes * random_.below(4) + 64 * ++object_count_;
}

NodeId SyncWorld::any_node() {
  return NodeId{static_cast<std::uint8_t>(random_.below(node_count()))};
}

NodeId SyncWorld::safe_node() {
  const unsigned count = dying_node_ == no_node ? node_count() : node_count() - 1;
  return NodeId{static_cast<std::uint8_t>(random_.below(count))};
}

void SyncWorld::expect(bool holds, const char* what) const {
  if (!holds) throw Failure(fmt::format("not so: {}", what));
}

bool SyncWorld::is_dead(ThreadId thread) const {
  const auto found = actors_.find(thread);
  return found != actors_.end() && found->second->dead;
}

// ---- the end -----------------------------------------------------------------------------

void SyncWorld::check_quiet() const {
  for (const auto& [id, actor] : actors_)
    if (!actor->ended && !actor->dead)
      throw Failure(fmt::format("thread {:#x} waits for ever", raw(id)));
  expect(answers_.empty(), "every call is answered");
  for (const auto& machine : machines_) {
    if (!members_.contains(machine->id())) continue;
    const core::Node& node = machine->node();
    expect(node.sync_calls().call_count() == 0, "no call is left");
    node.sync_calls().for_each_claim([this](const core::LockReport& claim) {
      expect(claim.lent, "nobody claims what nobody has");
    });
    expect(node.next_deadline() == 0, "no time is waited for");
    expect(node.sync_objects().futexes().queues().empty(), "nobody waits at a futex");
    for (const auto& [address, entry] : node.sync_objects().entries())
      expect(entry.queue.empty() && entry.postponed.empty() &&
                 !std::visit([](auto& what) { return what.held(); }, entry.object) &&
                 !is_had_by_borrower(address, entry),
             "nobody has or wants anything");
  }
}

bool SyncWorld::is_had_by_borrower(std::uint64_t address,
                                   const core::SyncObjects::Entry& entry) const {
  if (entry.borrower == no_node) return false;
  const Machine& machine = *machines_[raw(entry.borrower)];
  return raw(machine.locks(main_client).owner_of(address)) != 0 ||
         raw(machine.locks(dying_client).owner_of(address)) != 0;
}

std::string SyncWorld::dump(const std::string& reason) const {
  std::string text = fmt::format("seed {} at {} us: {}\n  job {}\n", settings_.seed, now_us_,
                                 reason, settings_.job);
  for (const auto& [id, actor] : actors_)
    if (!actor->ended)
      text += fmt::format("  thread {:#x} on node {} client {}{}\n", raw(id), raw(actor->node),
                          raw(actor->client), actor->dead ? ", dead" : "");
  for_each_waiter([&text](const core::SyncRequest& request) {
    text += fmt::format("  thread {:#x} waits at {:#x}\n", raw(request.thread), request.address);
  });
  return text + recorder_.dump(std::nullopt, 60);
}

}  // namespace gallocy::sim
