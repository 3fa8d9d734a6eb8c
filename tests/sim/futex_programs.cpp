// Programs that wait by the futex system call. A word is an ordinary variable: a thread stores into
// it, and then asks for a wake. Somebody who sleeps though his word has changed and was woken
// after that waits for ever, which ends the run.
#include <cerrno>
#include <limits>
#include <utility>

#include "sync_world.hpp"

namespace gallocy::sim {
namespace {

constexpr std::uint64_t all = std::numeric_limits<std::int32_t>::max();

struct Futex {
  std::uint64_t address;
  unsigned word = 0;
};

struct FutexPrograms {
  explicit FutexPrograms(SyncWorld& a_world) : world(a_world) {}

  core::SyncRequest request(const Actor& actor, const Futex& futex, SyncOperation operation,
                            std::uint64_t argument, std::uint32_t bits) {
    return {futex.address, actor.id, operation, SyncKind::futex, argument, bits};
  }
  FutexWaiting wait(Actor& actor, const Futex& futex, unsigned expected, TimeUs timeout_us,
                    std::uint32_t bits = all_futex_bits) {
    return {world, actor, request(actor, futex, SyncOperation::take, 0, bits), futex.word,
            expected, timeout_us};
  }
  Asking wake(Actor& actor, const Futex& futex, std::uint64_t count,
              std::uint32_t bits = all_futex_bits) {
    const core::SyncRequest give = request(actor, futex, SyncOperation::give, count, bits);
    return {world, actor, {{}, core::SyncCall{give}}};
  }
  Resting rest(Actor& actor, TimeUs most_us) { return {world, actor, random().below(most_us)}; }
  Random& random() { return world.random(); }
  TimeUs some_limit() { return random().one_in(8) ? random().below(400) : no_timeout; }
  void expect_woken(const core::Reply& reply, std::uint64_t most) {
    world.expect(reply.status == 0 && reply.values[0] <= most, "no more are woken than was asked");
  }

  Program lock(Actor& actor, unsigned rounds);
  Program meet(Actor& actor, unsigned phases);
  Program post(Actor& actor, unsigned count);
  Program take(Actor& actor, unsigned count);
  Program go_through(Actor& actor);
  Program open(Actor& actor);
  Program go_through_own(Actor& actor, unsigned own);
  Program open_each(Actor& actor, unsigned number);

  SyncWorld& world;

  Futex mutex{0};  // 0 free, 1 held, 2 held and somebody may sleep
  ThreadId inside{};

  Futex phase{0};
  unsigned goers = 0, arrived = 0;

  Futex count{0};  // of a semaphore

  Futex door{0};
  Futex doors{0};  // one a bit
};

Program FutexPrograms::lock(Actor& actor, unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    if (mutex.word == 0) mutex.word = 1;
    else
      while (std::exchange(mutex.word, 2) != 0) co_await wait(actor, mutex, 2, some_limit());
    world.expect(raw(inside) == 0, "a mutex has one owner");
    inside = actor.id;
    co_await rest(actor, 100);
    inside = ThreadId{};
    if (std::exchange(mutex.word, 0) == 2) expect_woken(co_await wake(actor, mutex, 1), 1);
    world.count_operation();
    co_await rest(actor, 200);
  }
}

Program FutexPrograms::meet(Actor& actor, unsigned phases) {
  for (unsigned number = 0; number < phases; ++number) {
    world.expect(phase.word == number, "nobody is ahead");
    if (++arrived == goers) {
      arrived = 0;
      ++phase.word;
      const std::uint64_t woken = random().one_in(2) ? goers - 1 : all;
      expect_woken(co_await wake(actor, phase, woken), goers - 1);
    }
    while (phase.word == number) co_await wait(actor, phase, number, no_timeout);
    world.count_operation();
    co_await rest(actor, 50);
  }
}

Program FutexPrograms::post(Actor& actor, unsigned number) {
  for (; number > 0; --number) {
    ++count.word;
    expect_woken(co_await wake(actor, count, 1), 1);
    co_await rest(actor, 300);
  }
}

Program FutexPrograms::take(Actor& actor, unsigned number) {
  for (; number > 0; --number) {
    while (count.word == 0) co_await wait(actor, count, 0, some_limit());
    --count.word;
    world.count_operation();
    co_await rest(actor, 50);
  }
}

// Also of those who die there.
Program FutexPrograms::go_through(Actor& actor) {
  while (door.word == 0) co_await wait(actor, door, 0, no_timeout);
}

Program FutexPrograms::open(Actor& actor) {
  co_await rest(actor, 5'000);
  door.word = 1;
  co_await wake(actor, door, all);
}

Program FutexPrograms::go_through_own(Actor& actor, unsigned own) {
  const unsigned bit = 1u << own;
  while ((doors.word & bit) == 0) co_await wait(actor, doors, doors.word, no_timeout, bit);
  world.count_operation();
}

// A wake is for one, who is not always the oldest there.
Program FutexPrograms::open_each(Actor& actor, unsigned number) {
  for (unsigned own = 0; own < number; ++own) {
    co_await rest(actor, 2'000);
    const unsigned bit = 1u << own;
    doors.word |= bit;
    expect_woken(co_await wake(actor, doors, 1, bit), 1);
  }
}

}  // namespace

void plan_futex_programs(SyncWorld& world, unsigned rounds) {
  const auto it = std::make_shared<FutexPrograms>(world);
  const auto size = [&] { return static_cast<unsigned>(world.random().between(2, 5)); };
  const auto spawn = [&](NodeId node, auto what) {
    world.spawn(node, false, [it, what](Actor& actor) { return what(*it, actor); });
  };
  for (Futex* futex : {&it->mutex, &it->phase, &it->count, &it->door, &it->doors})
    futex->address = world.new_address();
  it->goers = size();

  for (unsigned i = size(); i > 0; --i)
    spawn(world.safe_node(), [rounds](auto& own, Actor& a) { return own.lock(a, rounds); });
  for (unsigned i = it->goers; i > 0; --i)
    spawn(world.safe_node(), [rounds](auto& own, Actor& a) { return own.meet(a, rounds); });
  for (unsigned i = size(); i > 0; --i) {
    spawn(world.safe_node(), [rounds](auto& own, Actor& a) { return own.post(a, rounds); });
    spawn(world.safe_node(), [rounds](auto& own, Actor& a) { return own.take(a, rounds); });
  }
  for (unsigned i = size(); i > 0; --i)
    spawn(world.any_node(), [](auto& own, Actor& a) { return own.go_through(a); });
  spawn(world.safe_node(), [](auto& own, Actor& a) { return own.open(a); });
  const unsigned door_count = size();
  for (unsigned i = 0; i < door_count; ++i)
    spawn(world.safe_node(), [i](auto& own, Actor& a) { return own.go_through_own(a, i); });
  spawn(world.safe_node(), [door_count](auto& own, Actor& a) {
    return own.open_each(a, door_count);
  });
}

}  // namespace gallocy::sim
