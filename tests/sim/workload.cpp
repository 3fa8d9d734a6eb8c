#include "workload.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/describe.hpp"
#include "world.hpp"

namespace gallocy::sim {
namespace {

// Only written under the page's lock.
constexpr unsigned locked_cell = cells_per_page - 1;

constexpr std::uint64_t address_of(PageNo page) { return region_base + raw(page) * page_bytes; }

bool suffices(Mapping mapping, core::Access access) {
  return mapping == Mapping::writable || mapping == Mapping::poisoned ||
         (mapping == Mapping::read_only && access == core::Access::read);
}

}  // namespace

Workload::Workload(World& world) : world_(world) {}

void Workload::attached(NodeId node, ClientId client, ThreadId) { agents_[{node, client}]; }

// Every node gets memory of its own; the accesses begin when all have it. Some can't wait, and
// touch memory that is just being handed out.
void Workload::start() {
  constexpr TimeUs pauses_us[] = {20, 300, 3'000};
  pause_us_ = world_.random().pick(pauses_us);
  constexpr unsigned percents[] = {0, 0, 10, 40};
  prefetch_percent_ = world_.random().pick(percents);
  make_threads();
  for (SimThread& thread : threads_) {
    if (!world_.random().one_in(3)) continue;
    thread.operation.kind = Operation::Kind::wild;
    thread.busy = true;
    run_again(thread, world_.random().below(150));
  }
  for (unsigned number = 0; number < world_.node_count(); ++number) {
    const NodeId node{static_cast<std::uint8_t>(number)};
    ++waiting_for_chunks_;
    world_.call(node, ClientId{0}, {{}, core::ChunksCall{1}}, world_.random().below(50),
                [this, node](const core::Reply& reply) {
                  if (reply.status == 0) note_allotted(node, ClientId{0}, reply.values[0], 1);
                  if (--waiting_for_chunks_ == 0) begin_accesses();
                });
  }
}

void Workload::make_threads() {
  const auto per_client = static_cast<unsigned>(world_.random().between(1, 3));
  for (const auto& [key, agent] : agents_)
    for (unsigned i = 0; i < per_client; ++i) {
      const auto number = static_cast<std::uint32_t>(threads_.size());
      const ThreadId id{std::uint64_t{raw(key.first)} << 48 | 1ULL << 40 | number};
      threads_.push_back({key.first, key.second, number, id, false, false, std::nullopt, {}});
    }
}

void Workload::begin_accesses() {
  if (chunk_addresses_.empty()) throw Failure("nobody was given a chunk");
  Random& random = world_.random();
  const auto count = random.one_in(3) ? random.between(20, 60) : random.between(5, 12);
  std::set<PageNo> chosen;
  while (chosen.size() < count) {
    const std::uint64_t page =
        (random.pick(chunk_addresses_) - region_base) / page_bytes + random.below(64);
    if (chosen.insert(PageNo{page}).second) pages_.push_back(PageNo{page});
  }
  if (random.one_in(4)) group_count_ = static_cast<unsigned>(pages_.size() / 4);
  for (SimThread& thread : threads_)
    if (!thread.busy) run_again(thread, random.below(100));
  has_begun_ = true;
}

void Workload::forget_node(NodeId node) {
  for (SimThread& thread : threads_) {
    if (thread.node != node) continue;
    if (thread.busy && thread.operation.kind == Operation::Kind::visit)
      --leases_.at(thread.operation.lease).users;
    if (thread.operation.has_lock) locked_.erase(thread.operation.lock_address);
    thread.busy = false;
    thread.gone = true;
    thread.parked.reset();
    run_again(thread, world_.random().below(1'000));
  }
}

// On a node that was removed and has not ended: its core serves the faults as if nothing had
// happened. What its threads would read or write counts for nothing, so they do not.
void Workload::haunt(SimThread& thread) {
  if (thread.parked || pages_.empty()) return;
  Random& random = world_.random();
  Operation operation = access_of(thread, 1, 50);
  if (!leases_.empty() && random.one_in(2)) {
    const auto& [address, lease] = *leases_.begin();
    touch_some(operation, address, lease.count);
  }
  const Touch touch = operation.touches[0];
  if (suffices(world_.machine(thread.node).mapping(thread.client, touch.page), touch.access))
    return run_again(thread, random.below(1'000));
  park(thread, touch);
}

void Workload::run_again(SimThread& thread, TimeUs delay_us) {
  world_.plan_thread(world_.now_us() + delay_us, thread.node, thread.number);
}

void Workload::call(const SimThread& thread, decltype(core::ClientCall::call) what,
                    TimeUs delay_us, std::function<void(const core::Reply&)> on_reply) {
  world_.call(thread.node, thread.client, {{}, std::move(what), thread.kernel_id()}, delay_us,
              std::move(on_reply));
}

void Workload::run_thread(std::uint32_t number) {
  SimThread& thread = threads_.at(number);
  if (thread.gone) return haunt(thread);
  if (!thread.busy) {
    if (ended_ >= world_.settings().operation_count) return world_.calm_down();
    choose(thread);
  }
  switch (thread.operation.kind) {
    case Operation::Kind::access: return access(thread);
    case Operation::Kind::locked: return locked_increment(thread);
    case Operation::Kind::chunks: return allot(thread);
    case Operation::Kind::freed: return free_block(thread);
    case Operation::Kind::spawn: return spawn(thread);
    case Operation::Kind::wild: return wild_access(thread);
    case Operation::Kind::recycle: return recycle(thread);
    case Operation::Kind::visit: return access(thread);
    case Operation::Kind::trespass:
      if (mapped(thread)) end(thread);
      return;
    case Operation::Kind::prefetch: return prefetch(thread);
  }
}

void Workload::end(SimThread& thread) {
  thread.busy = false;
  ++ended_;
  if (thread.operation.kind == Operation::Kind::visit) --leases_.at(thread.operation.lease).users;
  if (waiting_for_chunks_ > 0) return;  // begin_accesses() runs it
  const bool rests = world_.random().one_in(20);
  run_again(thread, world_.random().below(rests ? 1'000 : pause_us_));
}

// ---- choosing ----------------------------------------------------------------------------

void Workload::choose(SimThread& thread) {
  Operation prefetch;
  prefetch.kind = Operation::Kind::prefetch;
  thread.operation = world_.random().below(100) < prefetch_percent_
                         ? prefetch
                         : any_operation(thread, world_.pattern());
  thread.operation.started_us = world_.now_us();
  thread.busy = true;
}

Operation Workload::any_operation(const SimThread& thread, Pattern pattern) {
  Random& random = world_.random();
  Operation operation;
  switch (pattern) {
    case Pattern::random: {
      const unsigned counts[] = {1, 1, 1, 1, 2, 2, 4};
      return access_of(thread, random.pick(counts), 40);
    }
    case Pattern::hot_page:
      operation = access_of(thread, 1, 50);
      operation.touches[0].page = pages_[0];
      return operation;
    case Pattern::false_sharing:
      operation = access_of(thread, 1, 70);
      operation.touches[0].page = pages_[0];
      operation.touches[0].cell = thread.number % locked_cell;
      return operation;
    case Pattern::migratory:
      operation.kind = Operation::Kind::locked;
      operation.touches[0] = {pages_[random.below(3)], locked_cell, core::Access::read};
      operation.touch_count = 1;
      operation.lock_address = address_of(operation.touches[0].page) + 64;
      return operation;
    case Pattern::two_pages:
      return several_pages(thread, 2);
    case Pattern::four_pages:
      return several_pages(thread, 4);
    case Pattern::recycled:
      if (random.one_in(12)) operation.kind = Operation::Kind::recycle;
      else operation = random.one_in(20) ? trespass_of() : visit_of(thread);
      return operation;
    case Pattern::producer_consumer: {
      const auto which = random.below(3);
      operation = access_of(thread, 1, 0);
      operation.touches[0].page = pages_[which];
      if (which % world_.node_count() == raw(thread.node))
        operation.touches[0].access = core::Access::write;
      return operation;
    }
    case Pattern::threads:
      if (random.one_in(3)) return access_of(thread, 1, 40);
      operation.kind = Operation::Kind::spawn;
      return operation;
    case Pattern::chunks: {
      constexpr Operation::Kind kinds[] = {Operation::Kind::chunks, Operation::Kind::freed,
                                           Operation::Kind::freed, Operation::Kind::wild};
      if (random.one_in(2)) return any_operation(thread, Pattern::recycled);
      operation.kind = kinds[random.below(4)];
      return operation;
    }
    case Pattern::mixed:
    case Pattern::sync:  // another world's
      break;
  }
  constexpr Pattern parts[] = {Pattern::random, Pattern::hot_page, Pattern::false_sharing,
                               Pattern::migratory, Pattern::producer_consumer, Pattern::two_pages,
                               Pattern::four_pages};
  const auto kind = random.below(40);
  if (kind < 34) return any_operation(thread, parts[kind % 7]);
  constexpr Operation::Kind calls[] = {Operation::Kind::chunks, Operation::Kind::freed,
                                       Operation::Kind::freed, Operation::Kind::spawn,
                                       Operation::Kind::spawn, Operation::Kind::wild};
  operation.kind = calls[kind - 34];
  return operation;
}

Operation Workload::access_of(const SimThread&, unsigned count, unsigned write_percent) {
  Random& random = world_.random();
  Operation operation;
  while (operation.touch_count < count) {
    const PageNo page = random.pick(pages_);
    const auto end = operation.touches.begin() + operation.touch_count;
    if (std::find_if(operation.touches.begin(), end,
                     [page](const Touch& touch) { return touch.page == page; }) != end)
      continue;
    operation.touches[operation.touch_count++] = {
        page, static_cast<unsigned>(random.below(locked_cell)),
        random.below(100) < write_percent ? core::Access::write : core::Access::read};
  }
  return operation;
}

// The same pages for everybody, each node beginning with another one; or for one thread of each
// node, so that the accesses of a node need more pages together than it may have frames.
Operation Workload::several_pages(const SimThread& thread, unsigned count) {
  Operation operation;
  const unsigned first = thread.number % group_count_ * count;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned which = first + (i + thread.number + raw(thread.node)) % count;
    const bool write = !world_.random().one_in(6);
    operation.touches[i] = {pages_[which],
                            static_cast<unsigned>(world_.random().below(locked_cell)),
                            write ? core::Access::write : core::Access::read};
  }
  operation.touch_count = count;
  return operation;
}

// ---- accesses ----------------------------------------------------------------------------

void Workload::access(SimThread& thread) {
  if (!mapped(thread)) return;
  const Operation& operation = thread.operation;
  if (!poisoned(thread))
    for (unsigned i = 0; i < operation.touch_count; ++i) perform(thread, operation.touches[i]);
  end(thread);
}

bool Workload::poisoned(const SimThread& thread) const {
  const Machine& machine = world_.machine(thread.node);
  for (unsigned i = 0; i < thread.operation.touch_count; ++i)
    if (machine.mapping(thread.client, thread.operation.touches[i].page) == Mapping::poisoned)
      return true;
  return false;
}

void Workload::perform(const SimThread& thread, const Touch& touch) {
  std::uint64_t& cell = world_.machine(thread.node).frame(touch.page)[touch.cell];
  world_.oracle().read(touch.page, touch.cell, cell);
  if (touch.access == core::Access::read) return;
  cell = ++write_count_;
  world_.oracle().wrote(touch.page, touch.cell, cell);
}

bool Workload::mapped(SimThread& thread) {
  const Machine& machine = world_.machine(thread.node);
  for (unsigned i = 0; i < thread.operation.touch_count; ++i) {
    const Touch& touch = thread.operation.touches[i];
    const Mapping mapping = machine.mapping(thread.client, touch.page);
    if (suffices(mapping, touch.access)) continue;
    park(thread, touch);
    return false;
  }
  return true;
}

void Workload::park(SimThread& thread, const Touch& touch) {
  Random& random = world_.random();
  thread.parked = touch;
  const core::Fault fault{thread.client, thread.kernel_id(), touch.page, touch.access,
                          world_.machine(thread.node).fault_cause(thread.client, touch.page)};
  world_.post_fault(thread.node, fault, random.below(4));
  // A signal made the thread fault again, and the event was late.
  if (random.one_in(30)) world_.post_fault(thread.node, fault, random.below(400));
}

bool Workload::still_reported(NodeId, const core::Fault& fault) {
  const SimThread& thread = threads_.at(fault.thread - 1);
  const bool waits = thread.parked && thread.parked->page == fault.page;
  return waits || world_.random().one_in(3);
}

void Workload::wake(NodeId node, ClientId client, PageNo page) {
  Random& random = world_.random();
  for (SimThread& thread : threads_) {
    if (thread.node != node || thread.client != client || !thread.parked) continue;
    if (thread.parked->page != page) continue;
    thread.parked.reset();
    run_again(thread, random.one_in(50) ? 500 : random.between(1, 30));
  }
}

void Workload::wild_access(SimThread& thread) {
  const std::uint64_t page_count = world_.machine(thread.node).page_count();
  Operation& operation = thread.operation;
  if (operation.touch_count == 0) {
    // Anywhere but where others work; the chunk may be handed out at this very moment.
    const std::uint64_t chunk = world_.random().below(page_count / pages_per_chunk);
    operation.touches[0] = {PageNo{chunk * pages_per_chunk + 100 + world_.random().below(400)}, 0,
                            core::Access::read};
    operation.touch_count = 1;
  }
  if (!mapped(thread)) return;
  if (!poisoned(thread)) perform(thread, operation.touches[0]);
  end(thread);
}

// ---- time --------------------------------------------------------------------------------

void Workload::check_time() {
  if (++check_count_ % 512 != 0) return;
  for (const SimThread& thread : threads_) {
    if (!thread.busy || world_.now_us() - thread.operation.started_us <= operation_limit_us)
      continue;
    throw Failure(fmt::format("liveness: thread {} of node {} has made no progress",
                              thread.number, raw(thread.node)));
  }
  if (!world_.overdue()) return;
  for (const SimThread& thread : threads_)
    if (thread.busy)
      throw Failure(fmt::format("liveness: thread {} of node {} does not end after faults have",
                                thread.number, raw(thread.node)));
}

void Workload::check_ended() const {
  for (const SimThread& thread : threads_)
    if (thread.busy)
      throw Failure(fmt::format("thread {} of node {} waits for ever", thread.number,
                                raw(thread.node)));
  if (ended_ < world_.settings().operation_count)
    throw Failure(fmt::format("only {} operations have ended", ended_));
  if (world_.any_removed()) return;  // blocks were on their way from or to the removed node
  for (const auto& [address, freed] : freed_)
    if (freed.count != 0)
      throw Failure(fmt::format("freed block {:#x}: {} left", address, freed.count));
}

std::optional<PageNo> Workload::page_in_question() const {
  const SimThread* oldest = nullptr;
  for (const SimThread& thread : threads_)
    if (thread.busy && thread.parked &&
        (oldest == nullptr || thread.operation.started_us < oldest->operation.started_us))
      oldest = &thread;
  return oldest == nullptr ? std::nullopt : std::optional(oldest->parked->page);
}

std::string Workload::dump() const {
  std::string text;
  for (const SimThread& thread : threads_) {
    if (!thread.busy) continue;
    const Operation& operation = thread.operation;
    text += fmt::format("  thread {} node {} client {}: kind {} phase {} since {} us",
                        thread.number, raw(thread.node), raw(thread.client),
                        static_cast<unsigned>(operation.kind), operation.phase,
                        operation.started_us);
    for (unsigned i = 0; i < operation.touch_count; ++i)
      text += fmt::format(", {} page {}", core::name_of(operation.touches[i].access),
                          raw(operation.touches[i].page));
    if (thread.parked) text += fmt::format(", parked on page {}", raw(thread.parked->page));
    text += '\n';
  }
  return text;
}

}  // namespace gallocy::sim
