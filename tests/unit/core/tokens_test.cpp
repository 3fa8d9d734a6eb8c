// Mutexes that are lent: at their home, and at the borrower.
#include "sync_support.hpp"

using namespace gallocy;
using namespace gallocy::core;

using enum SyncKind;
using enum SyncOperation;

namespace {

const std::string mutex = "0x550000000040";
constexpr ThreadId far_thread{1ULL << 48 | 2};  // of node 1

// Node 0 is home and borrower.
struct Lender : SyncCore {
  Lender() { tables_are_full = false; }

  // The client of that thread has the mutex from the second time on.
  Lines lend_to(unsigned thread, SyncKind kind = normal) {
    take(thread, kind);
    give(thread, kind);
    return take(thread, kind);
  }
  // What the client has left of it.
  Lines left(unsigned thread, std::uint32_t depth) {
    return shortened(step(TokenTaken{client_of(thread / 10), object_address,
                                     depth > 0 ? ThreadId{thread} : ThreadId{}, depth}));
  }
  // The thread of node 1 asks; its requests are numbered.
  Lines far(SyncOperation operation, SyncKind kind = normal, bool may_be_lent = false) {
    return shortened(from(1, by(1, ++far_count), SyncRequest{object_address, far_thread, operation,
                                                             kind, 0, 0, may_be_lent}));
  }
  // Node 1 is lent it, and returns it.
  Lines lend_far(SyncKind kind = normal) { return far(SyncOperation::take, kind, true); }
  Lines far_returns(std::uint32_t depth, unsigned node = 1) {
    return shortened(from(node, by(node, 100),
                          TokenReturn{{object_address, depth > 0 ? far_thread : ThreadId{}, normal,
                                       depth}}));
  }
  static std::string far_got(int status, unsigned number = 1) {
    return "to 1: sync_reply " + std::to_string(status) + " {1," + std::to_string(number) + "}";
  }
  std::size_t tokens() const { return node.sync_calls().token_count(); }

  unsigned far_count = 0;
};

std::string placed(unsigned client, const std::string& thread) {
  return "place token " + mutex + " in client " + std::to_string(client) + " for thread " + thread;
}
std::string taken_from(unsigned client) {
  return "take token " + mutex + " from client " + std::to_string(client);
}
const std::string recalled = "to 1: token_recall " + mutex + " {255,0}";

// Node 1 borrows from node 0: its client 1 has the mutex, by its thread 2.
struct Borrower : Away {
  Borrower() {
    tables_are_full = false;
    call(request(1, give, normal));
    answer(3, 0);
    lock(2);
  }
  Lines grant() { return answer(4, 0, true); }
  Lines left(std::uint32_t depth) {
    return step(TokenTaken{ClientId{1}, object_address, depth > 0 ? thread(2) : ThreadId{}, depth});
  }
  Lines recall(unsigned node = 0) { return from(node, {}, TokenRecall{object_address}); }
};

bool asks_for_a_loan(const Lines& lines) {
  REQUIRE(lines.size() == 1);
  return lines[0].find(" or a loan") != std::string::npos;
}

// After what the node has sent before.
void expect_sixteen_takes_without_a_loan(Borrower& core, std::uint64_t counter) {
  for (int i = 0; i < 17; ++i) {
    CHECK_FALSE(asks_for_a_loan(core.lock(2)));
    core.answer(++counter, 0);
    core.call(Away::request(2, give, normal));
    core.answer(++counter, 0);
  }
  CHECK(asks_for_a_loan(core.lock(2)));
}

}  // namespace

// ---- when --------------------------------------------------------------------------------

TEST_CASE("a mutex is lent to who takes it twice") {
  for (const SyncKind kind : {normal, recursive, error_check}) {
    Lender core;
    CHECK(core.take(1, kind) == Lines{got(1, 0)});
    CHECK(core.give(1, kind) == Lines{got(1, 0)});
    CHECK(core.take(1, kind) == Lines{placed(0, "0x1"), got(1, 0)});
    CHECK(core.tokens() == 1);
  }
}

TEST_CASE("a mutex is lent to who tries to have it twice") {
  Lender core;
  core.take(1, normal);
  core.give(1, normal);
  CHECK(core.try_take(12, normal) == Lines{placed(1, "0xc"), got(12, 0)});
}

TEST_CASE("robust mutexes and other locks are not lent") {
  for (const SyncKind kind :
       {robust_normal, robust_recursive, robust_error_check, writer, reader}) {
    Lender core;
    for (int i = 0; i < 4; ++i) {
      CHECK(core.take(1, kind) == Lines{got(1, 0)});
      CHECK(core.give(1, kind) == Lines{got(1, 0)});
    }
    CHECK(core.tokens() == 0);
  }
}

TEST_CASE("a mutex that is waited for goes to who waits, and is not lent") {
  Lender core;
  core.take(1, normal);
  CHECK(core.take(2, normal) == waits);
  CHECK(core.take(3, normal) == waits);
  CHECK(core.give(1, normal) == Lines{got(2, 0), got(1, 0)});
  CHECK(core.give(2, normal) == Lines{got(3, 0), got(2, 0)});
  CHECK(core.tokens() == 0);
}

TEST_CASE("a mutex that a thread has already is not lent when it takes it again") {
  Lender core;
  core.take(1, recursive);
  CHECK(core.take(1, recursive) == Lines{got(1, 0)});
  CHECK(core.tokens() == 0);
}

TEST_CASE("a peer may not ask to be lent what is not") {
  const Lines drop{"drop peer 1: a message that the protocol does not allow in this state"};
  for (const SyncKind kind : {robust_normal, reader, semaphore})
    CHECK(Lender{}.far(take, kind, true) == drop);
  CHECK(Lender{}.far(give, normal, true) == drop);
}

TEST_CASE("what was called back is not asked for again for sixteen takes") {
  Borrower core;
  core.grant();
  core.recall();
  core.left(0);
  expect_sixteen_takes_without_a_loan(core, 5);
}

TEST_CASE("nor is what the table has no room for while it is had") {
  Borrower core;
  core.grant();
  CHECK(core.left(1) ==
        Lines{"to 0: token_return " + mutex + " thread 0x1000000000002 has it, depth 1 {1,5}"});
  core.call(Away::request(2, give, normal));
  core.answer(6, 0);
  expect_sixteen_takes_without_a_loan(core, 6);
}

// ---- the home calls it back --------------------------------------------------------------

TEST_CASE("who has a mutex that is called back gives it to who waits") {
  Lender core;
  CHECK(core.lend_to(1) == Lines{placed(0, "0x1"), got(1, 0)});
  CHECK(core.far(take) == Lines{taken_from(0)});
  CHECK(core.left(1, 1) == waits);
  CHECK(core.tokens() == 0);
  CHECK(core.give(2, normal) == Lines{got(2, EPERM)});
  CHECK(core.give(1, normal) == Lines{core.far_got(0), got(1, 0)});
}

TEST_CASE("who has an unchecked mutex that comes back has it until somebody unlocks it") {
  Lender core;
  core.lend_to(1, unchecked);
  CHECK(core.far(give, unchecked) == Lines{taken_from(0)});
  CHECK(core.left(1, 1) == Lines{core.far_got(0)});
  CHECK(core.claims().empty());
  CHECK(core.objects() == 0);
}

TEST_CASE("a recursive mutex comes back as often as it is had") {
  Lender core;
  core.lend_to(1, recursive);
  core.far(take, recursive);
  core.left(1, 2);
  CHECK(core.give(1, recursive) == Lines{got(1, 0)});
  CHECK(core.give(1, recursive) == Lines{core.far_got(0), got(1, 0)});
}

TEST_CASE("a mutex that comes back free goes to who has waited, one after the other") {
  Lender core;
  core.lend_to(1);
  CHECK(core.far(take) == Lines{taken_from(0)});
  CHECK(core.take(12, normal) == waits);  // called back already
  CHECK(core.left(1, 0) == Lines{core.far_got(0)});
  CHECK(core.far(give) == Lines{core.far_got(0, 2), got(12, 0)});
}

TEST_CASE("a mutex of a remote borrower is asked for, and comes back as it is") {
  Lender core;
  CHECK(core.lend_far() == Lines{"to 1: sync_reply 0 lent {1,1}"});
  CHECK(core.take(1, normal) == Lines{recalled});
  CHECK(core.far_returns(1) == waits);
  CHECK(core.far(give) == Lines{core.far_got(0, 2), got(1, 0)});
}

TEST_CASE("only who was lent a mutex may return it, once") {
  const std::string drop = ": a message that the protocol does not allow in this state";
  Lender core;
  core.lend_far();
  CHECK(core.far_returns(0, 2) == Lines{"drop peer 2" + drop});
  CHECK(core.far_returns(0) == waits);
  CHECK(core.far_returns(0) == Lines{"drop peer 1" + drop});
}

TEST_CASE("what a client says of an owner that cannot be counts for nothing") {
  Lender core;
  core.lend_to(1);
  core.far(take);
  CHECK(core.step(TokenTaken{ClientId{0}, object_address, ThreadId{9ULL << 48 | 1}, 1}) ==
        Lines{core.far_got(0)});
}

TEST_CASE("try, destroy and init of a lent mutex are answered when it is back") {
  Lender tried;
  tried.lend_to(1);
  CHECK(tried.far(try_take) == Lines{taken_from(0)});
  CHECK(tried.left(1, 1) == Lines{tried.far_got(EBUSY)});

  Lender tried_free;
  tried_free.lend_to(1);
  tried_free.far(try_take);
  CHECK(tried_free.left(1, 0) == Lines{tried_free.far_got(0)});

  Lender destroyed;
  destroyed.lend_to(1);
  CHECK(destroyed.ask(2, destroy, normal) == Lines{taken_from(0)});
  CHECK(destroyed.left(1, 1) == Lines{got(2, EBUSY)});
  CHECK(destroyed.give(1, normal) == Lines{got(1, 0)});

  Lender destroyed_free;
  destroyed_free.lend_to(1);
  destroyed_free.ask(2, destroy, normal);
  CHECK(destroyed_free.left(1, 0) == Lines{got(2, 0)});
  CHECK(destroyed_free.objects() == 0);

  Lender made;
  made.lend_to(1);
  CHECK(made.ask(2, init, normal) == Lines{taken_from(0)});
  CHECK(made.left(1, 1) == Lines{got(2, 0)});
  CHECK(made.objects() == 0);
  CHECK(made.give(1, normal) == Lines{got(1, EPERM)});
}

TEST_CASE("a wait for a lent mutex that is withdrawn ends with its reason if somebody has that") {
  Lender core;
  core.lend_far();
  CHECK(core.ask(1, take, normal, 0, 100) == Lines{recalled});
  CHECK(core.pass(100) == waits);
  CHECK(core.far_returns(1) == Lines{got(1, ETIMEDOUT)});
  CHECK(core.calls() == 0);
  CHECK(core.far(give) == Lines{core.far_got(0, 2)});
  CHECK(core.objects() == 0);
}

// As POSIX has it: a take fails for want of time only if it can't be had at once.
TEST_CASE("a lent mutex that nobody has is granted to who may not wait for it") {
  Lender core;
  core.lend_far();
  CHECK(core.ask(1, take, normal, 0, 0) == Lines{recalled});
  CHECK(core.pass(0) == waits);
  CHECK(core.far_returns(0) == Lines{got(1, 0)});
  CHECK(core.give(1, normal) == Lines{got(1, 0)});
  CHECK(core.calls() == 0);
  CHECK(core.objects() == 0);
}

TEST_CASE("a withdrawn wait for a lent mutex whose memory is over is answered once") {
  Lender core;
  core.lend_far();
  core.ask(1, take, normal, 0, 100);
  core.pass(100);
  CHECK(core.shortened(core.step(ClientCall{{}, ReturnChunksCall{region_base, 1}})) ==
        Lines{got(1, EINVAL)});
  CHECK(core.far_returns(1) == waits);
  CHECK(core.calls() == 0);
  CHECK(core.objects() == 0);
}

TEST_CASE("a mutex whose memory is over while it is lent is nobody's when it is back") {
  Lender core;
  core.lend_far();
  core.take(1, normal);
  CHECK(core.shortened(core.step(ClientCall{{}, ReturnChunksCall{region_base, 1}})) ==
        Lines{got(1, EINVAL)});
  CHECK(core.objects() == 1);
  core.far_returns(1);
  CHECK(core.objects() == 0);
}

// Else the borrower's threads could find it when the memory is another object's already.
TEST_CASE("memory is handed out anew only when the mutexes in it are back") {
  Lender core;
  core.lend_far();
  CHECK(core.shortened(core.step(ClientCall{{}, ReturnChunksCall{region_base, 1}})) ==
        Lines{recalled});
  CHECK(core.pass(1) == waits);
  CHECK(core.far_returns(1) == waits);
  CHECK(core.pass(1) == Lines{got(0, 0)});
  CHECK(core.objects() == 0);
}

// ---- the borrower ------------------------------------------------------------------------

TEST_CASE("the client has the mutex before its thread hears of the grant") {
  Borrower core;
  CHECK(core.grant() == Lines{placed(1, "0x1000000000002"), "reply to client 1 slot 0: 0"});
}

TEST_CASE("a recall takes it from the client, and who has it is said") {
  Borrower core;
  core.grant();
  CHECK(core.recall() == Lines{taken_from(1)});
  CHECK(core.left(1) ==
        Lines{"to 0: token_return " + mutex + " thread 0x1000000000002 has it, depth 1 {1,5}"});
}

TEST_CASE("a mutex that has no room comes back by itself, and may be lent again") {
  Borrower core;
  core.grant();
  CHECK(core.left(0) == Lines{"to 0: token_return " + mutex + " {1,5}"});
  CHECK(asks_for_a_loan(core.lock(2)));
}

TEST_CASE("a recall that crosses the return is not answered") {
  Borrower core;
  core.grant();
  core.left(0);
  CHECK(core.recall().empty());
  CHECK(core.left(0).empty());
}

TEST_CASE("a home lends only what it was asked for, and nobody else calls it back") {
  const std::string drop = ": a message that the protocol does not allow in this state";
  Borrower core;
  core.call(Away::request(2, give, normal));
  CHECK(core.answer(5, 0, true) == Lines{"drop peer 0" + drop});
  CHECK(core.answer(4, EBUSY, true) == Lines{"drop peer 0" + drop});
  core.grant();
  CHECK(core.recall(2) == Lines{"drop peer 2" + drop});
}

// ---- deaths and removals -----------------------------------------------------------------

TEST_CASE("what a client dies with is the next one's") {
  Lender core;
  core.lend_to(11);
  CHECK(core.dies(1) == Lines{taken_from(1)});
  CHECK(core.left(11, 1) == Lines{"owner 0xb of " + mutex + " is lost"});
  CHECK(core.tokens() == 0);
  CHECK(core.take(21, normal).back() == got(21, 0));
}

TEST_CASE("a mutex that was called back is waited for until its owner's client dies") {
  Lender core;
  core.lend_to(11);
  core.take(21, normal);
  core.left(11, 1);
  CHECK(core.dies(1) == Lines{"owner 0xb of " + mutex + " is lost", got(21, 0)});
}

TEST_CASE("nothing is left of a free mutex whose borrower dies") {
  Lender core;
  core.lend_to(11);
  CHECK(core.dies(1) == Lines{taken_from(1)});
  CHECK(core.left(11, 0) == waits);
  CHECK(core.tokens() == 0);
  CHECK(core.objects() == 0);
}

TEST_CASE("what is lent to a client that has gone comes back at once") {
  Borrower core;
  core.step(ClientGone{ClientId{1}});
  CHECK(core.grant() == Lines{"to 0: token_return " + mutex + " {1,5}"});
}

TEST_CASE("a mutex that a removed node was lent is free") {
  Lender core;
  core.lend_far();
  CHECK(core.take(1, normal) == Lines{recalled});
  core.step(MemberRemoved{NodeId{1}, NodeId{0}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}});
  const Lines said = core.shortened(core.from(2, {}, Report{{}, {}, {}, true}, Epoch{2}));
  CHECK(std::ranges::count(said, got(1, 0)) == 1);
}

TEST_CASE("the heir of a home hears what was lent, and calls it back") {
  Lender core;
  core.step(MemberRemoved{NodeId{2}, NodeId{0}, Epoch{2}, {{ChunkNo{1}, 1, NodeId{2}}}});
  const std::uint64_t inherited = object_address + chunk_bytes;
  core.from(1, {}, Report{{}, {{inherited, ThreadId{}, normal, 0, true}}, {}, true}, Epoch{2});
  CHECK(core.ask(1, take, normal, 0, no_timeout, inherited) ==
        Lines{"to 1: token_recall 0x550000200040 {255,0}"});
}

TEST_CASE("what a node was lent it reports") {
  Borrower core;
  core.grant();
  CHECK(core.step(MemberRemoved{NodeId{0}, NodeId{2}, Epoch{2}, {{ChunkNo{0}, 1, NodeId{0}}}})[0] ==
        "to 2: report 0 pages 1 locks 0 chunks, last {255,0}");
}
