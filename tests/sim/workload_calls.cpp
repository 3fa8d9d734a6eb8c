// The operations that go through the client's ring: locks, chunks, freed blocks, threads.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "world.hpp"
#include "workload.hpp"

namespace gallocy::sim {
namespace {

constexpr std::uint64_t result_of(ThreadId thread) { return raw(thread) * 3; }

constexpr bool is_to_take(std::uint64_t order) {
  return order == static_cast<std::uint64_t>(OrderKind::take_freed) ||
         order == static_cast<std::uint64_t>(OrderKind::give_spare);
}

}  // namespace

// ---- lock, read, think, write, unlock ----------------------------------------------------

void Workload::locked_increment(SimThread& thread) {
  Operation& operation = thread.operation;
  Touch& touch = operation.touches[0];
  switch (operation.phase) {
    case 0:
      return lock_call(thread, SyncOperation::take);
    case 1:
      if (!mapped(thread)) return;
      if (!locked_.insert(operation.lock_address).second) throw Failure("two hold one lock");
      operation.has_lock = true;
      if (poisoned(thread)) return unlock(thread);
      perform(thread, touch);
      operation.seen = world_.machine(thread.node).frame(touch.page)[touch.cell];
      touch.access = core::Access::write;
      ++operation.phase;
      return run_again(thread, world_.random().below(30));
    case 2:
      if (!mapped(thread)) return;
      if (poisoned(thread)) return unlock(thread);
      if (world_.machine(thread.node).frame(touch.page)[touch.cell] != operation.seen)
        throw Failure("somebody wrote under another thread's lock");
      perform(thread, touch);
      return unlock(thread);
    default:
      return end(thread);
  }
}

void Workload::unlock(SimThread& thread) {
  locked_.erase(thread.operation.lock_address);
  thread.operation.has_lock = false;
  lock_call(thread, SyncOperation::give);
}

void Workload::lock_call(SimThread& thread, SyncOperation operation) {
  const core::SyncRequest request{thread.operation.lock_address, thread.id, operation,
                                  SyncKind::normal};
  auto& locks = world_.machine(thread.node).locks(thread.client);
  if (const auto status = operate(locks, request)) {
    if (*status != 0) throw Failure(fmt::format("lock operation here: {}", *status));
    thread.operation.phase = operation == SyncOperation::take ? 1 : 3;
    return run_again(thread, world_.random().below(3));
  }
  call(thread, core::SyncCall{request}, world_.random().below(3),
       [this, &thread, operation](const core::Reply& reply) {
         if (reply.status != 0)
           throw Failure(fmt::format("lock operation: {}", reply.status));
         thread.operation.phase = operation == SyncOperation::take ? 1 : 3;
         run_again(thread, world_.random().between(1, 10));
       });
}

void Workload::prefetch(SimThread& thread) {
  Random& random = world_.random();
  std::uint64_t address = region_base + raw(random.pick(pages_)) * page_bytes;
  if (!returned_.empty() && random.one_in(2)) address = random.pick(returned_);
  const core::PrefetchCall ahead{address, random.between(1, 20) * page_bytes};
  call(thread, ahead, random.below(3),
       [this, &thread](const core::Reply& reply) {
         if (reply.status != 0) throw Failure(fmt::format("prefetch: {}", reply.status));
         end(thread);
       });
}

// ---- chunks and blocks -------------------------------------------------------------------

void Workload::note_allotted(NodeId node, ClientId client, std::uint64_t address,
                             std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i, address += chunk_bytes) {
    if (!allotted_.emplace(address, Allotted{address, node, client}).second)
      throw Failure(fmt::format("chunk {:#x} was given twice", address));
    chunk_addresses_.push_back(address);
  }
}

// Of a node that is no member, or a thread that one had made.
bool Workload::is_of_the_gone(std::int32_t status) const {
  return world_.any_removed() && (status == EINVAL || status == ESRCH);
}

// Of this node, of one of choice, or of any. Most ask for addresses only, so that there is more to
// touch than there is memory.
core::ChunksCall Workload::chunks_wish(std::uint32_t count) {
  core::ChunksCall wish{count, no_node, 0, 0};
  if (!world_.random().one_in(4)) wish.idle_pages = count * pages_per_chunk;
  if (world_.random().one_in(2))
    wish.node = NodeId{static_cast<std::uint8_t>(world_.random().below(world_.node_count()))};
  return wish;
}

bool Workload::has(const SimThread& thread, std::uint64_t chunk) const {
  const Allotted& owner = allotted_.at(chunk);
  return owner.node == thread.node && owner.client == thread.client;
}

// That all of it is used from now on.
void Workload::claim(SimThread& thread, std::uint64_t chunk) {
  call(thread, core::ClaimChunkCall{chunk}, 1,
       [this, &thread, chunk](const core::Reply& reply) {
         if (reply.status != 0 && reply.status != ENOMEM)
           throw Failure(fmt::format("claim of {:#x}: {}", chunk, reply.status));
         end(thread);
       });
}

void Workload::allot(SimThread& thread) {
  if (world_.random().one_in(4) && !chunk_addresses_.empty())
    if (const std::uint64_t chunk = world_.random().pick(chunk_addresses_); has(thread, chunk))
      return claim(thread, chunk);
  if (world_.random().one_in(10)) return gather(thread);
  const auto count = static_cast<std::uint32_t>(world_.random().between(1, 2));
  call(thread, chunks_wish(count), 1,
       [this, &thread, count](const core::Reply& reply) {
         if (reply.status == 0)
           note_allotted(thread.node, thread.client, reply.values[0], count);
         else if (reply.status == ENOMEM && world_.random().one_in(2))
           return gather(thread);
         else if (reply.status != ENOMEM && !is_of_the_gone(reply.status))
           throw Failure(fmt::format("chunks: {}", reply.status));
         end(thread);
       });
}

// Who hears that there is no more to gather, though nobody took too long, knows that all that was
// freed on its node before has come back.
void Workload::gather(SimThread& thread) {
  std::map<std::uint64_t, Freed> before;
  for (const auto& [address, freed] : freed_)
    if (freed.by == thread.node && freed.count > 0) before.emplace(address, freed);
  const TimeUs late_us = world_.now_us() + core::Gathering::limit_us;
  const auto check = [this, &thread, before, late_us](const core::Reply& reply) {
    if (reply.status != 0 || reply.values[0] > 1)
      throw Failure(fmt::format("gather: {}, {}", reply.status, reply.values[0]));
    const bool is_sure =
        reply.values[0] == 0 && world_.now_us() < late_us && !world_.any_removed();
    for (const auto& [address, freed] : before)
      if (const Freed& now = freed_.at(address); is_sure && now.count > 0 && now.at == freed.at)
        throw Failure(fmt::format("freed block {:#x} was not gathered", address));
    end(thread);
  };
  call(thread, core::GatherFreedCall{}, 1, check);
}

void Workload::free_block(SimThread& thread) {
  Random& random = world_.random();
  const std::uint64_t chunk = random.pick(chunk_addresses_);
  const std::uint64_t address = chunk + 16 * random.below(1'000);
  NodeId owner = allotted_.at(chunk).node;
  if (random.one_in(20)) {  // a lie
    const auto other = static_cast<std::uint8_t>(random.below(max_node_count + 10));
    if (NodeId{other} != owner) owner = NodeId{other};
  }
  if (owner == allotted_.at(chunk).node) {
    Freed& freed = freed_[address];
    if (freed.count > 0) return end(thread);
    freed = {freed.count + 1, thread.node, ++freed_total_};
  }
  world_.tell(thread.node, core::BlockFreed{address, owner, 16ULL << random.below(14)});
  end(thread);
}

void Workload::freed_pending(NodeId node, ClientId client, std::uint32_t count) {
  Agent& agent = agents_.at({node, client});
  agent.freed_count = count;
  const bool notices = !world_.random().one_in(4);
  if (count > 0 && notices && !agent.taking) take_freed(node, client);
}

void Workload::order_to_take(NodeId node, ClientId client) {
  Agent& agent = agents_.at({node, client});
  agent.ordered = true;
  if (!agent.taking) take_freed(node, client);
}

void Workload::take_freed(NodeId node, ClientId client) {
  Agent& taker = agents_.at({node, client});
  taker.taking = true;
  const bool is_ordered = std::exchange(taker.ordered, false);
  world_.call(node, client, {{}, core::TakeFreedCall{is_ordered}}, world_.random().below(50),
              [this, node, client](const core::Reply& reply) {
                for (std::uint64_t i = 1; i <= reply.values[0]; ++i) {
                  const std::uint64_t block = reply.values.at(i);
                  const Allotted& owner = allotted_.at(block & ~(chunk_bytes - 1));
                  if (owner.node != node || owner.client != client)
                    throw Failure("a freed block came to somebody else");
                  --freed_.at(block).count;
                }
                Agent& agent = agents_.at({node, client});
                agent.taking = false;
                if (agent.freed_count > 0 || agent.ordered) take_freed(node, client);
              });
}

// ---- threads -----------------------------------------------------------------------------

void Workload::spawn(SimThread& thread) {
  call(thread, core::ThreadCreateCall{0x1000, thread.number}, 1,
       [this, &thread](const core::Reply& reply) {
         if (reply.status == EAGAIN || is_of_the_gone(reply.status)) return end(thread);
         if (reply.status != 0) throw Failure(fmt::format("create: {}", reply.status));
         join(thread, ThreadId{reply.values[0]});
       });
}

void Workload::join(SimThread& thread, ThreadId spawned) {
  call(thread, core::ThreadJoinCall{{spawned, thread.id}},
       world_.random().below(300), [this, &thread, spawned](const core::Reply& reply) {
         const bool died =
             world_.any_removed() && reply.values[0] == core::result_of_the_dead;
         if (is_of_the_gone(reply.status) || (reply.status == 0 && died)) return end(thread);
         if (reply.status != 0 || reply.values[0] != result_of(spawned))
           throw Failure(fmt::format("join: {}", reply.status));
         end(thread);
       });
}

void Workload::notify_agent(NodeId node, ClientId client) {
  Agent& agent = agents_.at({node, client});
  agent.again = true;
  if (!agent.asking) ask_order(node, client);
}

void Workload::ask_order(NodeId node, ClientId client) {
  Agent& agent = agents_.at({node, client});
  agent.asking = true;
  agent.again = false;
  world_.call(node, client, {{}, core::NextOrderCall{}}, world_.random().below(30),
              [this, node, client](const core::Reply& reply) {
                Agent& asker = agents_.at({node, client});
                asker.asking = false;
                if (reply.values[0] == static_cast<std::uint64_t>(OrderKind::start_thread))
                  run_spawned(node, client, ThreadId{reply.values[1]});
                if (is_to_take(reply.values[0])) order_to_take(node, client);
                if (reply.values[0] != 0 || asker.again) ask_order(node, client);
              });
}

void Workload::run_spawned(NodeId node, ClientId client, ThreadId spawned) {
  const int status = world_.random().one_in(20) ? EAGAIN : 0;
  const auto exit_later = [this, node, client, spawned, status](const core::Reply& reply) {
    if (reply.status != 0) throw Failure(fmt::format("started: {}", reply.status));
    if (status != 0) return;
    world_.call(node, client, {{}, core::ThreadExited{spawned, result_of(spawned)}},
                world_.random().below(500), [](const core::Reply& exited) {
                  if (exited.status != 0) throw Failure("a thread could not exit");
                });
  };
  world_.call(node, client, {{}, core::ThreadStarted{spawned, status}},
              world_.random().below(50), exit_later);
}

}  // namespace gallocy::sim
