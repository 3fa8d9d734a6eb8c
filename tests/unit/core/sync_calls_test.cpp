// Waits that end for another reason than they began for: time, cancellation, death.
#include "sync_support.hpp"

using namespace gallocy;
using namespace gallocy::core;

using enum SyncKind;
using enum SyncOperation;

namespace {

// Thread 1 runs main() in client 0.
struct Running : SyncCore {
  Running() {
    step(ClientAttached{ClientId{0}, true});
    interruptible = true;
  }
  Lines cancel_main() {
    return shortened(step(ClientCall{tag(9), ThreadCancelledCall{ThreadId{1}}}));
  }
  Lines exit_main() { return step(ClientCall{tag(9), ThreadExited{ThreadId{1}, 0}}); }
};

const std::string object = " 0x550000000040 thread 0x1000000000002";

}  // namespace

TEST_CASE("a time that is over does not hinder who can have it at once") {
  SyncCore core;
  CHECK(core.ask(1, take, normal, 0, 0) == Lines{got(1, 0)});
  CHECK(core.ask(2, take, normal, 0, 0) == Lines{got(2, ETIMEDOUT)});
  CHECK(core.node.next_deadline() == 0);
}

TEST_CASE("a signal handler ends a wait at a semaphore or a futex, and no other") {
  SyncCore core;
  const auto interrupt = [&core](unsigned thread, unsigned client) {
    const CallTag tag{SyncCore::client_of(client), 9, 1};
    return SyncCore::shortened(
        core.step(ClientCall{tag, ThreadInterruptedCall{ThreadId{thread}}}));
  };
  core.ask(1, init, semaphore, 0);
  CHECK(core.take(1, semaphore) == waits);
  CHECK(interrupt(1, 1) == Lines{got(9, 0)});  // of another client
  CHECK(interrupt(2, 0) == Lines{got(9, 0)});
  CHECK(interrupt(1, 0) == Lines{got(9, 0), got(1, EINTR)});
  CHECK(interrupt(1, 0) == Lines{got(9, 0)});
  CHECK(core.give(2, semaphore) == Lines{got(2, 0)});
  CHECK(core.take(1, semaphore) == Lines{got(1, 0)});
  core.ask(1, destroy, semaphore);

  core.take(2, normal);
  CHECK(core.take(1, normal) == waits);
  CHECK(interrupt(1, 0) == Lines{got(9, 0)});
  CHECK(core.give(2, normal) == Lines{got(1, 0), got(2, 0)});
}

TEST_CASE("a wait ends when its time is over, and not before") {
  SyncCore core;
  core.take(1, normal);
  CHECK(core.ask(2, take, normal, 0, 1'000) == waits);
  CHECK(core.ask(3, take, normal, 0, 500) == waits);
  CHECK(core.node.next_deadline() == core.now_us + 500);
  CHECK(core.pass(499) == waits);
  CHECK(core.pass(1) == Lines{got(3, ETIMEDOUT)});
  CHECK(core.give(1, normal) == Lines{got(2, 0), got(1, 0)});
  CHECK(core.node.next_deadline() == 0);
  CHECK(core.pass(1'000) == waits);
  CHECK(core.ask(3, take, normal, 0, no_timeout - 1) == waits);  // centuries
}

TEST_CASE("the home says whether the time was over or the lock granted, not the asking node") {
  Away away;
  CHECK(away.lock(2, 100) == Lines{"to 0: take mutex" + object + " or a loan {1,3}"});
  CHECK(away.wait(100) == Lines{"to 0: withdraw mutex" + object + " argument 110 {1,3}"});
  CHECK(away.wait(100).empty());
  CHECK(away.answer(3, 0) == Lines{"reply to client 1 slot 0: 0"});
  CHECK(away.lock(2, 100).size() == 1);
  away.wait(100);
  CHECK(away.answer(4, ETIMEDOUT) == Lines{"reply to client 1 slot 0: 110"});

  SyncCore home;  // the grant and the withdrawal cross
  home.from(1, by(1, 3), Away::request(2, take, normal));
  CHECK(home.from(1, by(1, 3), SyncRequest{object_address, Away::thread(2), withdraw, normal,
                                           ETIMEDOUT}).empty());
}

TEST_CASE("a lock that is granted to a client that has gone is given back") {
  Away away;
  away.call(Away::request(1, give, normal));
  away.answer(3, 0);
  away.lock(2);
  CHECK(away.step(ClientGone{ClientId{1}}) ==
        Lines{"to 0: withdraw mutex" + object + " argument 125 {1,4}"});
  CHECK(away.answer(4, 0) == Lines{"to 0: abandon mutex" + object + " argument 1 {1,5}"});
  CHECK(away.answer(5, 0).empty());
  CHECK(away.node.sync_calls().call_count() == 0);
}

TEST_CASE("a count of a semaphore that came to a dead client is given back") {
  Away away;
  away.call(Away::request(2, take, semaphore));
  away.step(ClientGone{ClientId{1}});
  const Lines lines = away.answer(3, 0);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("to 0: give semaphore"));
}

// Others may wait for the same wake by other bits, which the one that is gone did not have.
TEST_CASE("a wake that came to a dead client is given to all who wait at the word") {
  Away away;
  away.call(Away::futex_request(2, take, 4));
  away.step(ClientGone{ClientId{1}});
  CHECK(away.answer(3, 0) == Lines{"to 0: give futex 0x550000000040 thread 0x1000000000002 "
                                   "argument 4294967295 bits 0xffffffff {1,5}"});
}

TEST_CASE("the dead stand in no queue") {
  SyncCore core;
  core.ask(1, init, semaphore, 0, no_timeout, object_address + 128);
  core.take(1, normal);
  core.take(11, normal);
  core.take(2, normal);
  core.ask(12, take, semaphore, 0, no_timeout, object_address + 128);
  core.take(13, normal);
  core.wait_at(13);
  CHECK(core.dies(1) == waits);
  CHECK(core.calls() == 1);
  CHECK(core.give(1, normal) == Lines{got(2, 0), got(1, 0)});
  CHECK(core.give(2, normal) == Lines{got(2, 0)});
  CHECK(core.objects() == 1);
}

TEST_CASE("a joiner that has died leaves the thread to others") {
  Core core(0);
  const ThreadId made{7};
  core.step(ClientCall{{ClientId{1}, 0, 1}, ThreadJoinCall{{ThreadId{1ULL << 48}, made}}});
  const Lines lines = core.step(ClientGone{ClientId{1}});
  CHECK(lines == Lines{"to 1: thread_withdraw 0x1000000000000 {0,1}"});
}

TEST_CASE("a thread that ends leaves its robust mutexes to others before it can be joined") {
  Running core;
  core.take(1, robust_normal);
  CHECK(core.exit_main()[0] == "reply to client 0 slot 9: 0");
  CHECK(core.take(2, robust_normal) == Lines{got(2, EOWNERDEAD)});

  Running other;  // what is not robust stays locked
  other.take(1, normal);
  other.exit_main();
  CHECK(other.take(2, normal) == waits);
}

TEST_CASE("the end of a thread waits for the homes of its robust mutexes") {
  Away away;
  away.step(ClientAttached{ClientId{1}, true});
  away.call(Away::request(1, give, normal));
  away.answer(3, 0);
  away.call(Away::request(1, take, robust_normal));
  away.answer(4, 0);
  const Lines lines = away.step(ClientCall{{ClientId{1}, 5, 1}, ThreadExited{Away::thread(1), 0}});
  CHECK(lines == Lines{"to 0: abandon robust mutex 0x550000000040 thread 0x1000000000001 {1,5}"});
  CHECK(away.answer(5, 0)[0] == "reply to client 1 slot 5: 0");
}

TEST_CASE("a wait at a condition gives the mutex back and ends with it") {
  SyncCore core;
  core.take(1, normal);
  CHECK(core.wait_at(1) == waits);
  CHECK(core.take(2, normal) == Lines{got(2, 0)});
  CHECK(core.signal(2) == Lines{got(2, 0)});  // thread 1 now waits for the mutex
  CHECK(core.signal(2) == Lines{got(2, 0)});  // nobody waits: lost
  CHECK(core.give(2, normal) == Lines{got(1, 0), got(2, 0)});
  CHECK(core.wait_at(1) == waits);
  CHECK(core.give(1, normal) == Lines{got(1, EPERM)});
}

TEST_CASE("a signal wakes one, a broadcast all that wait by then") {
  SyncCore core;
  for (unsigned thread : {1, 2, 3}) {
    core.take(thread, normal);
    core.wait_at(thread);
  }
  CHECK(core.ask(4, destroy, condition, 0, no_timeout, SyncCore::condition) ==
        Lines{got(4, EBUSY)});
  CHECK(core.signal(4) == Lines{got(4, 0), got(1, 0)});
  CHECK(core.signal(4, give_all) == Lines{got(4, 0)});
  CHECK(core.give(1, normal) == Lines{got(2, 0), got(1, 0)});
  CHECK(core.give(2, normal) == Lines{got(3, 0), got(2, 0)});
  CHECK(core.give(3, normal) == Lines{got(3, 0)});
  CHECK(core.objects() == 0);
  CHECK(core.calls() == 0);
}

TEST_CASE("who waits at a condition without its mutex is told so, and takes no signal with it") {
  SyncCore core;
  CHECK(core.wait_at(1) == Lines{got(1, EPERM)});
  core.take(2, normal);
  CHECK(core.wait_at(1) == Lines{got(1, EPERM)});
  CHECK(core.calls() == 0);

  Away away;  // the signal comes before the answer of the mutex's home
  away.call(Away::request(1, give, normal));
  away.answer(3, 0);
  ConditionWaitCall call;
  call.wait.request = {object_address + 64, Away::thread(2), take, condition};
  call.mutex = object_address;
  away.step(ClientCall{{ClientId{1}, 0, 1}, call});
  CHECK(away.answer(4, EINPROGRESS) == Lines{"to 0: give mutex" + object + " {1,5}"});
  CHECK(away.answer(4, 0).empty());
  CHECK(away.answer(5, EPERM) ==
        Lines{"to 0: give condition 0x550000000080 thread 0x1000000000002 {1,6}",
              "reply to client 1 slot 0: 1"});
}

TEST_CASE("a wait at a condition that takes too long ends with the mutex") {
  SyncCore core;
  core.take(1, normal);
  core.wait_at(1, 100);
  core.take(2, normal);
  CHECK(core.pass(100) == waits);
  CHECK(core.give(2, normal) == Lines{got(1, ETIMEDOUT), got(2, 0)});
  CHECK(core.give(1, normal) == Lines{got(1, 0)});
  core.take(1, normal);
  CHECK(core.wait_at(1, 0) == Lines{got(1, ETIMEDOUT)});
}

TEST_CASE("what has become of the mutex meanwhile is told by the wait") {
  SyncCore core;
  core.take(1, robust_normal);
  core.wait_at(1, no_timeout, robust_normal);
  core.take(11, robust_normal);
  core.signal(2);
  CHECK(core.dies(1) == Lines{got(1, EOWNERDEAD)});
  core.wait_at(1, no_timeout, robust_normal);  // gives it back as it is
  CHECK(core.signal(2) == Lines{got(2, 0), got(1, ENOTRECOVERABLE)});
}

TEST_CASE("a cancelled waiter gets the mutex first, and leaves signals to others") {
  Running core;
  core.take(1, normal);
  core.wait_at(1);
  core.take(2, normal);
  CHECK(core.cancel_main() == Lines{got(9, 0)});
  core.interruptible = false;
  core.wait_at(2);
  CHECK(core.calls() == 1);  // thread 1 has got the mutex and gone
  CHECK(core.give(1, normal) == Lines{got(1, 0)});
  CHECK(core.signal(3) == Lines{got(3, 0), got(2, 0)});
}

TEST_CASE("a thread that was signalled before it was cancelled has the signal") {
  Running core;
  core.take(1, normal);
  core.wait_at(1);
  core.take(2, normal);
  core.signal(2);
  core.cancel_main();
  CHECK(core.give(2, normal) == Lines{got(1, 0), got(2, 0)});
}

TEST_CASE("a wait of a cancelled thread does not begin") {
  Running core;
  core.take(1, normal);
  core.cancel_main();
  CHECK(core.wait_at(1) == Lines{got(1, ECANCELED)});
  core.interruptible = false;
  CHECK(core.give(1, normal) == Lines{got(1, 0)});
}

// ---- the home is removed -----------------------------------------------------------------

namespace {

// What is said to clients when node 0 is removed, and node 2 is home of its chunk.
Lines replies_to_removal(Away& core) {
  Lines lines = core.step(
      MemberRemoved{NodeId{0}, NodeId{2}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
  std::erase_if(lines, [](const std::string& line) { return !line.starts_with("reply"); });
  return lines;
}

Lines after_rebuilt(Away& core) {
  return core.from(2, {}, Rebuilt{{}, true}, Epoch{2});
}

}  // namespace

TEST_CASE("what a removed home knew of semaphores and barriers nobody knows") {
  Away core;
  core.call(Away::request(2, take, semaphore));
  CHECK(replies_to_removal(core) == Lines{"reply to client 1 slot 0: 22"});
}

TEST_CASE("a wait for a lock of a removed home goes on at its heir") {
  Away core;
  core.lock(2);
  CHECK(replies_to_removal(core).empty());
  CHECK(after_rebuilt(core) ==
        Lines{"to 2: take mutex 0x550000000040 thread 0x1000000000002 or a loan {1,3}"});
}

TEST_CASE("an unlock at a removed home is done") {
  Away core;
  core.call(Away::request(1, give, normal));
  CHECK(replies_to_removal(core) == Lines{"reply to client 1 slot 0: 0"});
  CHECK(after_rebuilt(core).empty());
}

TEST_CASE("who waits at a word of a removed home looks again, and a wake is said to its heir") {
  Away core;
  core.call(Away::futex_request(1, take, 1));
  core.call(Away::futex_request(2, give, 1));
  CHECK(replies_to_removal(core) == Lines{"reply to client 1 slot 0: 0"});
  CHECK(after_rebuilt(core) ==
        Lines{"to 2: give futex 0x550000000040 thread 0x1000000000002 argument 1 bits 0x1 {1,4}"});
}
