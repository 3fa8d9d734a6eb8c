// The programs of a synchronisation run. What they promise is checked by ordinary variables, which
// a thread changes only where its objects allow it; so a lock that two have at once, a barrier that
// opens too early or a signal that comes to nobody shows as a wrong number or as a thread that
// waits for ever.
#include <algorithm>
#include <cerrno>
#include <set>

#include "sync_world.hpp"

namespace gallocy::sim {
namespace {

using enum SyncKind;
using enum SyncOperation;

// One thread at a time, or one that has died inside.
struct Guarded {
  std::uint64_t address;
  SyncKind kind;
  ThreadId inside{};
};

struct Programs {
  explicit Programs(SyncWorld& a_world) : world(a_world) {}

  Program prepare(Actor& actor);
  void plan();

  // ---- calls ----
  Asking ask(Actor& actor, std::uint64_t address, SyncOperation operation, SyncKind kind,
             std::uint64_t argument = 0, TimeUs timeout_us = no_timeout) {
    core::SyncCall call{{address, actor.id, operation, kind, argument}, timeout_us};
    call.interruptible = kind == semaphore && operation == take;
    return {world, actor, {{}, call}};
  }
  Asking wait_at(Actor& actor, std::uint64_t address, const Guarded& mutex, TimeUs timeout_us) {
    core::ConditionWaitCall call;
    call.wait = {{address, actor.id, take, condition}, timeout_us, actor.cancellable};
    call.mutex = mutex.address;
    call.mutex_kind = mutex.kind;
    return {world, actor, {{}, call}};
  }
  Resting rest(Actor& actor, TimeUs most_us) { return {world, actor, random().below(most_us)}; }
  Random& random() { return world.random(); }
  TimeUs some_limit() { return random().one_in(4) ? random().below(400) : no_timeout; }

  void enter(Guarded& guarded, Actor& actor, std::int32_t status) {
    const bool empty = raw(guarded.inside) == 0;
    world.expect(empty || world.has_heirs(guarded.inside), "a mutex has one owner");
    world.expect(empty || status == EOWNERDEAD || guarded.kind < robust_normal,
                 "who gets a robust mutex from the dead is told");
    guarded.inside = actor.id;
  }
  void leave(Guarded& guarded, Actor& actor) {
    world.expect(guarded.inside == actor.id, "nobody else has been inside");
    guarded.inside = ThreadId{};
    world.count_operation();
  }

  // ---- threads ----
  Program use_mutexes(Actor& actor, unsigned rounds);
  Program produce(Actor& actor);
  Program consume(Actor& actor, unsigned count);
  Program settle_account(Actor& actor, unsigned unconsumed);
  Program go_through(Actor& actor, unsigned phases);
  Program use_read_write_lock(Actor& actor, unsigned rounds);
  Program read_for_another(Actor& actor, unsigned rounds);
  Program end_reading(Actor& actor, unsigned rounds);
  Program use_semaphore(Actor& actor, unsigned rounds);
  Program post(Actor& actor, unsigned count);
  Program open_gate(Actor& actor, unsigned count);
  Program pass_gate(Actor& actor, unsigned count);
  Program be_widowed(Actor& actor);
  Program end_with(Actor& actor, std::uint64_t mutex);
  Program end_waits(Actor& actor);
  Program wait_for_cancel(Actor& actor, std::uint64_t nothing);
  Program wait_in_vain(Actor& actor, std::uint64_t nobody);
  Program join_the_dead(Actor& actor);
  void bury(Actor& dead);

  SyncWorld& world;
  std::vector<Guarded> mutexes;

  std::uint64_t gate = 0;  // a mutex that one thread unlocks and others lock
  bool is_gate_made = false;
  unsigned opened = 0, passed = 0;

  Guarded buffer{0, normal, {}};
  std::uint64_t not_empty = 0, not_full = 0;
  unsigned in_buffer = 0, produced = 0, demanded = 0;
  std::map<ThreadId, unsigned> unconsumed;  // of consumers

  std::uint64_t meeting = 0;
  unsigned goers = 0;
  struct Meeting {
    unsigned arrived = 0, passed = 0, serial = 0;
  };
  std::map<unsigned, Meeting> meetings;  // by phase

  std::uint64_t read_write_lock = 0;
  std::set<ThreadId> readers;
  ThreadId writer{};

  std::uint64_t counting_lock = 0;  // that one thread locks for reading and another unlocks
  bool is_read = false;

  std::uint64_t token_semaphore = 0;
  unsigned token_count = 0;
  std::set<ThreadId> token_holders;
};

constexpr unsigned capacity = 2;

// ---- mutexes -----------------------------------------------------------------------------

Program Programs::use_mutexes(Actor& actor, unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    Guarded& mutex = random().pick(mutexes);
    const SyncOperation operation = random().one_in(5) ? try_take : take;
    const auto taken =
        co_await ask(actor, mutex.address, operation, mutex.kind, 0, some_limit());
    if (taken.status != 0 && taken.status != EOWNERDEAD) {
      world.expect(taken.status == (operation == take ? ETIMEDOUT : EBUSY), "a reason to fail");
      continue;
    }
    enter(mutex, actor, taken.status);
    if (mutex.kind == recursive)
      world.expect((co_await ask(actor, mutex.address, take, recursive)).status == 0, "recursion");
    co_await rest(actor, 100);
    if (taken.status == EOWNERDEAD)
      world.expect((co_await ask(actor, mutex.address, consistent, mutex.kind)).status == 0,
                   "what the dead left is made consistent");
    leave(mutex, actor);
    if (mutex.kind == recursive) co_await ask(actor, mutex.address, give, recursive);
    world.expect((co_await ask(actor, mutex.address, give, mutex.kind)).status == 0, "unlock");
    co_await rest(actor, 200);
  }
}

// Who waits for the other is let in by its unlock, whoever has locked it.
Program Programs::open_gate(Actor& actor, unsigned count) {
  world.expect((co_await ask(actor, gate, take, unchecked)).status == 0, "lock");
  is_gate_made = true;
  for (; count > 0; --count) {
    co_await rest(actor, 100);
    ++opened;
    world.expect((co_await ask(actor, gate, give, unchecked)).status == 0, "unlock");
    while (passed < opened) co_await rest(actor, 50);
  }
  world.expect((co_await ask(actor, gate, give, unchecked)).status == 0, "unlock");
}

Program Programs::pass_gate(Actor& actor, unsigned count) {
  while (!is_gate_made) co_await rest(actor, 50);
  while (count > 0) {
    const auto taken = co_await ask(actor, gate, take, unchecked, 0, some_limit());
    if (taken.status == ETIMEDOUT) continue;
    world.expect(taken.status == 0 && opened == passed + 1, "a gate lets one in");
    ++passed;
    --count;
    world.count_operation();
  }
}

// A thread ends with a robust mutex: who has joined it finds it abandoned at once.
Program Programs::be_widowed(Actor& actor) {
  const std::uint64_t mutex = world.new_address();
  const auto begin = [this, mutex](Actor& child) { return end_with(child, mutex); };
  const auto made =
      co_await Asking{world, actor, {{}, world.creation(world.safe_node(), false, begin)}};
  world.expect(made.status == 0, "a thread can create another");
  const core::ThreadJoinCall join{{ThreadId{made.values[0]}, actor.id}};
  world.expect((co_await Asking{world, actor, {{}, join}}).status == 0, "join");
  const auto taken = co_await ask(actor, mutex, try_take, robust_normal);
  world.expect(taken.status == EOWNERDEAD, "a thread that was joined has left its mutexes");
  co_await ask(actor, mutex, consistent, robust_normal);
  co_await ask(actor, mutex, give, robust_normal);
  world.count_operation();
}

Program Programs::end_with(Actor& actor, std::uint64_t mutex) {
  world.expect((co_await ask(actor, mutex, take, robust_normal)).status == 0, "lock");
}

// ---- waits that nothing but their limit, a cancellation or a death can end ----------------

Program Programs::end_waits(Actor& actor) {
  const std::uint64_t nothing = world.new_address();
  co_await ask(actor, nothing, init, semaphore, 0);
  const auto late = co_await ask(actor, nothing, take, semaphore, 0, random().below(300));
  world.expect(late.status == ETIMEDOUT, "a wait has a limit");
  const auto begin = [this, nothing](Actor& child) { return wait_for_cancel(child, nothing); };
  const auto made =
      co_await Asking{world, actor, {{}, world.creation(world.safe_node(), false, begin)}};
  const ThreadId child{made.values[0]};
  co_await rest(actor, 100);
  const core::ThreadControl cancel{child, ThreadOperation::cancel};
  world.expect((co_await Asking{world, actor, {{}, cancel}}).status == 0, "cancel");
  const core::ThreadJoinCall join{{child, actor.id}};
  world.expect((co_await Asking{world, actor, {{}, join}}).status == 0, "join");
  world.expect((co_await ask(actor, nothing, destroy, semaphore)).status == 0, "nobody waits");
}

Program Programs::wait_for_cancel(Actor& actor, std::uint64_t nothing) {
  const auto taken = co_await ask(actor, nothing, take, semaphore);
  world.expect(taken.status == ECANCELED, "a wait can be cancelled");
}

// In the client that dies: its place in the queue must go with it.
Program Programs::wait_in_vain(Actor& actor, std::uint64_t nobody) {
  if (world.will_die(actor)) co_await ask(actor, nobody, take, barrier, 99);
}

// Its process may have died before it began, and its node be no longer in the job.
Program Programs::join_the_dead(Actor& actor) {
  const auto begin = [this, nobody = world.new_address()](Actor& child) {
    return wait_in_vain(child, nobody);
  };
  const auto made =
      co_await Asking{world, actor, {{}, world.creation(world.last_node(), false, begin)}};
  const bool gone = made.status == EAGAIN || (made.status == EINVAL && world.any_removed());
  world.expect(made.status == 0 || gone, "a thread can create another");
  if (made.status != 0) co_return;
  const ThreadId child{made.values[0]};
  const core::ThreadJoinCall join{{child, actor.id}};
  world.expect((co_await Asking{world, actor, {{}, join}}).status == 0, "join");
  world.expect(!world.is_dead(child) || world.has_heirs(child),
               "nobody joins who has died with the job");
}

// ---- conditions --------------------------------------------------------------------------

// Wakes one consumer for each thing, so a signal that is lost is a consumer that waits for ever.
Program Programs::produce(Actor& actor) {
  for (;;) {
    world.expect((co_await ask(actor, buffer.address, take, buffer.kind)).status == 0, "lock");
    enter(buffer, actor, 0);
    while (in_buffer == capacity && produced < demanded) {
      leave(buffer, actor);
      const auto waited = co_await wait_at(actor, not_full, buffer, some_limit());
      world.expect(waited.status == 0 || waited.status == ETIMEDOUT, "wait");
      enter(buffer, actor, 0);
    }
    const bool over = produced >= demanded;
    if (!over) {
      ++produced;
      ++in_buffer;
    }
    leave(buffer, actor);
    const bool signal_first = random().one_in(2);
    if (!over && signal_first) co_await ask(actor, not_empty, give, condition);
    world.expect((co_await ask(actor, buffer.address, give, buffer.kind)).status == 0, "unlock");
    if (!over && !signal_first) co_await ask(actor, not_empty, give, condition);
    if (over) co_return;
    co_await rest(actor, 300);
  }
}

Program Programs::consume(Actor& actor, unsigned count) {
  for (unsigned& left = unconsumed.at(actor.id); left > 0;) {
    world.expect(left <= count, "as much as was asked for");
    world.expect((co_await ask(actor, buffer.address, take, buffer.kind)).status == 0, "lock");
    enter(buffer, actor, 0);
    bool cancelled = false;
    while (in_buffer == 0 && !cancelled) {
      leave(buffer, actor);
      const auto waited = co_await wait_at(actor, not_empty, buffer, some_limit());
      cancelled = waited.status == ECANCELED;
      world.expect(cancelled || waited.status == 0 || waited.status == ETIMEDOUT, "wait");
      enter(buffer, actor, 0);  // also of the cancelled
    }
    if (cancelled) demanded -= left;
    if (cancelled) left = 0;
    else --in_buffer, --left;
    leave(buffer, actor);
    world.expect((co_await ask(actor, buffer.address, give, buffer.kind)).status == 0, "unlock");
    co_await ask(actor, not_full, cancelled ? give_all : give, condition);
    co_await rest(actor, 50);
  }
}

// What a dead consumer would have taken is not produced any more, and whom it should have woken
// is woken.
Program Programs::settle_account(Actor& actor, unsigned count) {
  co_await ask(actor, buffer.address, take, buffer.kind);
  enter(buffer, actor, 0);
  demanded -= count;
  leave(buffer, actor);
  co_await ask(actor, buffer.address, give, buffer.kind);
  co_await ask(actor, not_full, give_all, condition);
  co_await ask(actor, not_empty, give_all, condition);
}

// ---- barriers ----------------------------------------------------------------------------

Program Programs::go_through(Actor& actor, unsigned phases) {
  for (unsigned phase = 0; phase < phases; ++phase) {
    ++meetings[phase].arrived;
    const auto passed = co_await ask(actor, meeting, take, barrier, goers);
    Meeting& here = meetings[phase];
    world.expect(passed.status == 0 && here.arrived == goers, "a barrier opens when all are there");
    here.serial += static_cast<unsigned>(passed.values[0]);
    if (++here.passed == goers) world.expect(here.serial == 1, "one thread has completed it");
    co_await rest(actor, 50);
    world.count_operation();
  }
}

// ---- read-write locks --------------------------------------------------------------------

Program Programs::use_read_write_lock(Actor& actor, unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    const SyncKind kind = random().one_in(3) ? SyncKind::writer : reader;
    const auto taken = co_await ask(actor, read_write_lock, take, kind, 0, some_limit());
    if (taken.status == ETIMEDOUT) continue;
    world.expect(taken.status == 0, "a read-write lock can be had");
    std::erase_if(readers, [this](ThreadId thread) { return world.has_heirs(thread); });
    world.expect(raw(writer) == 0 || world.has_heirs(writer), "a writer is alone");
    writer = ThreadId{};
    if (kind == reader) readers.insert(actor.id);
    else writer = actor.id;
    world.expect(raw(writer) == 0 || readers.empty(), "nobody reads what is written");
    if (kind == reader && random().one_in(4)) {  // once more: not behind a writer
      world.expect((co_await ask(actor, read_write_lock, take, reader)).status == 0, "again");
      world.expect((co_await ask(actor, read_write_lock, give, reader)).status == 0, "unlock");
    }
    co_await rest(actor, 100);
    if (kind == reader) readers.erase(actor.id);
    else writer = ThreadId{};
    world.expect((co_await ask(actor, read_write_lock, give, kind)).status == 0, "unlock");
    world.count_operation();
    co_await rest(actor, 200);
  }
}

Program Programs::read_for_another(Actor& actor, unsigned rounds) {
  for (; rounds > 0; --rounds) {
    const auto taken = co_await ask(actor, counting_lock, take, reader, readers_counted);
    world.expect(taken.status == 0, "it can be read");
    is_read = true;
    while (is_read) co_await rest(actor, 50);
  }
}

Program Programs::end_reading(Actor& actor, unsigned rounds) {
  for (; rounds > 0; --rounds) {
    while (!is_read) co_await rest(actor, 50);
    const auto give_it = [&] { return ask(actor, counting_lock, give, reader, readers_counted); };
    world.expect((co_await give_it()).status == 0, "who has not locked it unlocks it");
    const auto taken = co_await ask(actor, counting_lock, take, SyncKind::writer, readers_counted);
    world.expect(taken.status == 0, "nobody reads any more");
    world.expect((co_await give_it()).status == 0, "unlock");
    is_read = false;
    world.count_operation();
  }
}

// ---- semaphores --------------------------------------------------------------------------

Program Programs::use_semaphore(Actor& actor, unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    const auto taken = co_await ask(actor, token_semaphore, take, semaphore, 0, some_limit());
    if (taken.status == ECANCELED) co_return;
    if (taken.status == ETIMEDOUT) continue;
    world.expect(taken.status == 0, "a semaphore can be taken");
    token_holders.insert(actor.id);
    std::erase_if(token_holders, [this](ThreadId thread) { return world.has_heirs(thread); });
    world.expect(token_holders.size() <= token_count, "there are only so many tokens");
    co_await rest(actor, 100);
    token_holders.erase(actor.id);
    world.expect((co_await ask(actor, token_semaphore, give, semaphore)).status == 0, "post");
    world.count_operation();
    co_await rest(actor, 100);
  }
}

Program Programs::post(Actor& actor, unsigned count) {
  for (; count > 0; --count) {
    actor.tokens = 1;
    co_await ask(actor, token_semaphore, give, semaphore);
  }
}

// ---- the whole ---------------------------------------------------------------------------

void Programs::bury(Actor& dead) {
  const NodeId node{0};
  if (dead.tokens > 0)
    world.spawn(node, false, [this, count = dead.tokens](Actor& a) { return post(a, count); });
  if (const auto found = unconsumed.find(dead.id); found != unconsumed.end())
    world.spawn(node, false, [this, count = found->second](Actor& actor) {
      return settle_account(actor, count);
    });
}

Program Programs::prepare(Actor& actor) {
  token_semaphore = world.new_address();
  token_count = static_cast<unsigned>(random().between(1, 2));
  const auto made = co_await ask(actor, token_semaphore, init, semaphore, token_count);
  world.expect(made.status == 0, "a semaphore can be made");
  plan();
  world.all_planned();
}

void Programs::plan() {
  const auto size = [this] { return static_cast<unsigned>(random().between(2, 5)); };
  const auto asked = world.settings().operation_count;
  const auto rounds = static_cast<unsigned>(std::clamp<std::uint64_t>(asked / 50, 1, 1'000));
  const SyncKind kinds[] = {normal, recursive, error_check, unchecked, robust_normal,
                            robust_error_check};
  for (unsigned i = 0; i < 3; ++i)
    mutexes.push_back({world.new_address(), random().pick(kinds), {}});
  buffer.address = world.new_address();
  not_empty = world.new_address();
  not_full = world.new_address();
  meeting = world.new_address();
  read_write_lock = world.new_address();
  gate = world.new_address();
  counting_lock = world.new_address();
  goers = size();

  for (unsigned i = size(); i > 0; --i)
    world.spawn(world.any_node(), false, [=, this](Actor& a) { return use_mutexes(a, rounds); });
  for (unsigned i = size(); i > 0; --i, demanded += rounds)
    world.spawn(world.any_node(), true, [=, this](Actor& actor) {
      unconsumed[actor.id] = rounds;
      return consume(actor, rounds);
    });
  for (unsigned i = 2; i > 0; --i)
    world.spawn(world.safe_node(), false, [=, this](Actor& a) { return produce(a); });
  for (unsigned i = goers; i > 0; --i)
    world.spawn(world.safe_node(), false, [=, this](Actor& a) { return go_through(a, rounds); });
  for (unsigned i = size(); i > 0; --i)
    world.spawn(world.any_node(), false,
                [=, this](Actor& a) { return use_read_write_lock(a, rounds); });
  for (unsigned i = size(); i > 0; --i)
    world.spawn(world.counting_node(), true,
                [=, this](Actor& a) { return use_semaphore(a, rounds); });
  for (unsigned i = 2; i > 0; --i)
    world.spawn(world.safe_node(), false, [=, this](Actor& a) { return pass_gate(a, rounds); });
  world.spawn(world.safe_node(), false, [=, this](Actor& a) { return open_gate(a, 2 * rounds); });
  world.spawn(world.safe_node(), false,
              [=, this](Actor& a) { return read_for_another(a, rounds); });
  world.spawn(world.safe_node(), false, [=, this](Actor& a) { return end_reading(a, rounds); });
  world.spawn(world.safe_node(), false, [=, this](Actor& a) { return be_widowed(a); });
  world.spawn(world.safe_node(), false, [=, this](Actor& a) { return end_waits(a); });
  plan_futex_programs(world, rounds);
  for (unsigned i = 2; i > 0; --i)
    world.spawn(world.safe_node(), false, [this](Actor& a) { return join_the_dead(a); });
}

}  // namespace

void plan_programs(SyncWorld& world) {
  const auto programs = std::make_shared<Programs>(world);
  world.on_death = [programs](Actor& dead) { programs->bury(dead); };  // and keeps them
  world.spawn(world.safe_node(), false, [&it = *programs](Actor& a) { return it.prepare(a); });
}

}  // namespace gallocy::sim
