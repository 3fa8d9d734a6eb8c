// Words that threads wait at by the futex system call, at their home.
#include "sync_support.hpp"

using namespace gallocy;
using namespace gallocy::core;

using enum SyncOperation;

namespace {

constexpr std::uint64_t all = 0x7fff'ffff;

struct FutexCore : SyncCore {
  FutexCore() { bits = all_futex_bits; }

  Lines wait(unsigned thread, std::uint64_t sequence = 0) {
    return take(thread, SyncKind::futex, sequence);
  }
  Lines wait_with(std::uint32_t some, unsigned thread, std::uint64_t sequence = 0) {
    bits = some;
    return wait(thread, sequence);
  }
  // By a thread of node 1, which is told a number; that message comes before replies here.
  Lines from_peer(SyncOperation operation, std::uint64_t argument = 0) {
    const ThreadId thread{1ULL << 48 | 9};
    return shortened(from(1, by(1, 1), SyncRequest{object_address, thread, operation,
                                                   SyncKind::futex, argument, bits}));
  }
  Lines wake_with(std::uint32_t some, std::uint64_t count) {
    bits = some;
    return wake(count);
  }
  Lines look() { return from_peer(value); }
  Lines wake(std::uint64_t count) { return from_peer(SyncOperation::give, count); }
  std::size_t words() const { return node.sync_objects().futexes().queues().size(); }
};

std::string told(std::uint64_t number) {
  return "to 1: sync_reply 0" + (number == 0 ? "" : " value " + std::to_string(number)) + " {1,1}";
}

}  // namespace

TEST_CASE("a wake lets the oldest go, as many as it is for, and says how many") {
  FutexCore core;
  for (unsigned thread = 1; thread <= 4; ++thread) CHECK(core.wait(thread) == waits);
  CHECK(core.wake(0) == Lines{told(0)});
  CHECK(core.wake(1) == Lines{told(1), got(1, 0)});
  CHECK(core.wake(2) == Lines{told(2), got(2, 0), got(3, 0)});
  CHECK(core.wake(all) == Lines{told(1), got(4, 0)});
  CHECK(core.words() == 0);
  CHECK(core.wake(all) == Lines{told(0)});
}

TEST_CASE("a thread that is about to wait returns at once if nobody else had the wake") {
  FutexCore core;
  core.wake(1);
  CHECK(core.wait(1, 0) == Lines{got(1, 0)});
  CHECK(core.look() == Lines{told(1)});
  CHECK(core.wait(1, 1) == waits);
  core.wake(2);  // one too many
  CHECK(core.wait(2, 1) == Lines{got(2, 0)});
  CHECK(core.wait(2, 2) == waits);
}

TEST_CASE("a thread that is about to wait does not have the wake of who waits already") {
  FutexCore core;
  core.wait(1);
  CHECK(core.wake(1) == Lines{told(1), got(1, 0)});
  CHECK(core.wait(2) == waits);
}

TEST_CASE("a wait at a word has a limit, and leaves nothing behind") {
  FutexCore core;
  CHECK(core.ask(1, take, SyncKind::futex, 0, 100) == waits);
  CHECK(core.pass(100) == Lines{got(1, ETIMEDOUT)});
  CHECK(core.words() == 0);
  CHECK(core.calls() == 0);
}

TEST_CASE("the dead wait at no word") {
  FutexCore core;
  core.wait(11);
  core.wait(2);
  CHECK(core.dies(1) == waits);
  CHECK(core.wake(1) == Lines{told(1), got(2, 0)});
}

// Its owner has unlocked; another thread has taken it, destroyed it, and has a mutex there now.
TEST_CASE("a wake that comes when the memory is a mutex's does not touch that") {
  FutexCore core;
  core.take(1, SyncKind::normal);
  core.take(2, SyncKind::normal);
  CHECK(core.wake(1) == Lines{told(0)});
  CHECK(core.give(1, SyncKind::normal) == Lines{got(2, 0), got(1, 0)});
}

TEST_CASE("who waits at a word whose memory is given back is told so") {
  FutexCore core;
  core.wait(1);
  CHECK(core.shortened(core.step(ClientCall{{}, ReturnChunksCall{region_base, 1}})) ==
        Lines{got(1, EINVAL)});
  CHECK(core.words() == 0);
}

TEST_CASE("a wake is for those who wait with one of its bits, and for so many of them") {
  FutexCore core;
  core.wait_with(1, 1);
  core.wait_with(2, 2);
  core.wait_with(6, 3);
  core.wait_with(4, 4);
  CHECK(core.wake_with(6, 1) == Lines{told(1), got(2, 0)});
  CHECK(core.wake_with(8, all) == Lines{told(0)});
  CHECK(core.wake_with(4, all) == Lines{told(2), got(3, 0), got(4, 0)});
  CHECK(core.wake_with(all_futex_bits, all) == Lines{told(1), got(1, 0)});
}

// They would be woken by nobody.
TEST_CASE("nobody waits or wakes without bits") {
  FutexCore core;
  core.bits = 0;
  CHECK(core.wait(1) == Lines{got(1, EINVAL)});
  CHECK(core.ask(1, give, SyncKind::futex, 1) == Lines{got(1, EINVAL)});
}

TEST_CASE("a word can be waited at and woken, and no more") {
  FutexCore core;
  for (const SyncOperation operation : {try_take, give_all, init, destroy, consistent})
    CHECK(core.ask(1, operation, SyncKind::futex) == Lines{got(1, EINVAL)});
}
