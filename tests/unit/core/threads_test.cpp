#include <cerrno>

#include "support.hpp"

using namespace gallocy;
using namespace gallocy::core;

namespace {

constexpr ThreadId main_thread{1};
constexpr ThreadId made{2};

// Node 0, whose client 0 runs main() and has made a thread.
struct Threaded : Core {
  explicit Threaded(unsigned runs_on, bool detached = false) : Core(0) {
    step(ClientAttached{ClientId{0}, true});
    step(ClientCall{{}, ThreadCreateCall{0x1000, 0, NodeId{static_cast<std::uint8_t>(runs_on)},
                                         detached}});
    if (runs_on == 0) call(ThreadStarted{made, 0});
    else from(runs_on, by(0, 1), ThreadStarted{made, 0});
  }
  Lines call(decltype(ClientCall::call) what) { return step(ClientCall{{}, what}); }
  Lines exits(unsigned node) { return from(node, by(node, 99), ThreadExited{made, 5}); }
};

const Lines done{"reply to client 0 slot 0: 0"};
Lines refused(int status) { return {"reply to client 0 slot 0: " + std::to_string(status)}; }

}  // namespace

TEST_CASE("a detached thread can't be joined, and leaves nothing when it ends") {
  Threaded core(1);
  CHECK(core.call(ThreadControl{made, ThreadOperation::detach}) == done);
  CHECK(core.call(ThreadControl{made, ThreadOperation::detach}) == refused(EINVAL));
  CHECK(core.call(ThreadJoinCall{{made, main_thread}}) == refused(EINVAL));
  core.exits(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}}) == refused(ESRCH));
}

TEST_CASE("a thread that was made detached is as good as one that was detached") {
  Threaded core(1, true);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}}) == refused(EINVAL));
  core.exits(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}}) == refused(ESRCH));
}

TEST_CASE("to detach a thread that has ended forgets it") {
  Threaded core(1);
  core.exits(1);
  CHECK(core.call(ThreadControl{made, ThreadOperation::detach}) == done);
  CHECK(core.call(ThreadControl{made, ThreadOperation::detach}) == refused(ESRCH));
}

TEST_CASE("a thread that somebody joins can't be detached") {
  Threaded core(1);
  core.call(ThreadJoinCall{{made, main_thread}});
  CHECK(core.call(ThreadControl{made, ThreadOperation::detach}) == refused(EINVAL));
}

TEST_CASE("to cancel a thread is an order to the rank that runs it") {
  Threaded core(1);
  const Lines lines = core.call(ThreadControl{made, ThreadOperation::cancel});
  CHECK(lines == Lines{"to 1: cancel thread 0x2 {0,3}"});
  CHECK(core.exits(1) == done);
  CHECK(core.call(ThreadControl{made, ThreadOperation::cancel}) == done);  // nothing to do
  CHECK(core.call(ThreadControl{ThreadId{77}, ThreadOperation::cancel}) == refused(ESRCH));
}

TEST_CASE("who cancels a thread is answered when its node says that it is cancelled") {
  Threaded core(1);
  CHECK(core.call(ThreadControl{made, ThreadOperation::cancel}).size() == 1);
  CHECK(core.from(2, by(2, 7), ThreadControl{made, ThreadOperation::cancel}).empty());
  CHECK(core.from(1, by(1, 3), ThreadCancelled{made}) ==
        Lines{"to 2: thread_controlled status 0 {2,7}", done[0]});
  CHECK(core.call(ThreadControl{made, ThreadOperation::cancel}) == done);  // it is already
  CHECK(core.from(2, by(2, 8), ThreadCancelled{made})[0].starts_with("drop peer 2"));
}

TEST_CASE("the threads of a rank that has gone have ended, and those about to start do not") {
  Threaded core(0);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}}).empty());
  core.from(1, by(1, 5), ThreadStart{ThreadId{1ULL << 48 | 9}, 0x1000, 0});
  const Lines lines = core.step(ClientGone{ClientId{0}});
  CHECK(lines == Lines{"to 1: thread_started 0x1000000000009 status 11 {1,5}"});
  CHECK(core.from(1, by(1, 6), ThreadJoin{main_thread, ThreadId{1ULL << 48 | 1}}) ==
        Lines{"to 1: thread_joined status 0 result 0xffffffffffffffff {1,6}"});
}

TEST_CASE("thread ids that can't be are refused before they reach another node") {
  Threaded core(1);
  for (const ThreadId id : {ThreadId{0}, ThreadId{~0ULL}, ThreadId{63ULL << 48 | 1}}) {
    CHECK(core.call(ThreadControl{id, ThreadOperation::cancel}) == refused(ESRCH));
    CHECK(core.call(ThreadJoinCall{{id, main_thread}}) == refused(ESRCH));
  }
  CHECK(core.call(ThreadJoinCall{{ThreadId{1ULL << 48 | 5}, ThreadId{0}}}) == refused(EPERM));
}

TEST_CASE("a cancelled joiner waits no longer, and another may join") {
  Threaded core(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true}).empty());
  const Lines lines = core.call(ThreadCancelledCall{main_thread});
  CHECK(lines == Lines{done[0], refused(ECANCELED)[0]});
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true}) == refused(ECANCELED));
  CHECK(core.from(2, by(2, 7), ThreadJoin{made, ThreadId{2ULL << 48 | 1}}).empty());
}

TEST_CASE("a joiner that has disabled cancellation goes on waiting") {
  Threaded core(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, false}).empty());
  CHECK(core.call(ThreadCancelledCall{main_thread}) == done);
  CHECK(core.exits(1) == done);
}

TEST_CASE("a join for a limited time ends when that is over, and another may join") {
  Threaded core(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true, 1000}).empty());
  CHECK(core.node.next_deadline() == core.now_us + 1000);
  CHECK(core.wait(999).empty());
  CHECK(core.wait(1) == refused(ETIMEDOUT));
  CHECK(core.node.next_deadline() == 0);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true, 1000}).empty());
  CHECK(core.exits(1).size() == 1);
  CHECK(core.node.next_deadline() == 0);  // nothing of it is left
  CHECK(core.wait(1000).empty());
}

TEST_CASE("a join that may not wait is answered at once") {
  Threaded core(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true, 0}) == refused(ETIMEDOUT));
  core.exits(1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true, 0}).size() == 1);
  CHECK(core.call(ThreadJoinCall{{made, main_thread}, true, 0}) == refused(ESRCH));
}

TEST_CASE("a join that may not wait is withdrawn behind its request") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  const ThreadJoinCall call{{made, ThreadId{1ULL << 48 | 1}}, true, 0};
  CHECK(core.step(ClientCall{{}, call}) ==
        Lines{"to 0: thread_join 0x2 by 0x1000000000001 {1,1}",
              "to 0: thread_withdraw 0x2 {1,1}"});
  CHECK(core.from(0, by(1, 1), ThreadJoined{0, 5}) == done);
}

TEST_CASE("a thread is not cancelled before its join is over") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  core.from(0, by(0, 5), ThreadStart{made, 0x1000, 0});
  core.step(ClientCall{{}, NextOrderCall{}});
  core.step(ClientCall{{}, ThreadStarted{made, 0}});
  const ThreadId joined{2ULL << 48 | 9};
  core.step(ClientCall{{}, ThreadJoinCall{{joined, made}, true}});
  CHECK(core.from(0, by(0, 6), ThreadCancel{made}) == Lines{"notify client 0"});
  CHECK(core.step(ClientCall{{}, ThreadCancelledCall{made}}) ==
        Lines{"to 2: thread_withdraw 0x2000000000009 {1,1}", done[0]});
  CHECK(core.from(2, by(1, 1), ThreadJoined{ECANCELED, 0}) ==
        Lines{refused(ECANCELED)[0], "to 0: thread 0x2 is cancelled {1,2}"});
}

TEST_CASE("a join that was answered already is not withdrawn") {
  Core core(1);
  const ThreadId joiner{1ULL << 48 | 1};
  core.step(ClientAttached{ClientId{0}, true});
  CHECK(core.step(ClientCall{{}, ThreadJoinCall{{made, joiner}, true}}).size() == 1);
  CHECK(core.step(ClientCall{{}, ThreadCancelledCall{joiner}}) ==
        Lines{"to 0: thread_withdraw 0x2 {1,1}", done[0]});
  CHECK(core.from(0, by(1, 1), ThreadJoined{0, 5}) == done);

  Threaded home(1);
  home.exits(1);
  home.from(2, by(2, 1), ThreadJoin{made, ThreadId{2ULL << 48 | 1}});
  CHECK(home.from(2, by(2, 1), ThreadControl{made, ThreadOperation::withdraw}).empty());
}

TEST_CASE("an answer from a node that was not asked drops that peer") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  core.step(ClientCall{{}, ThreadJoinCall{{made, ThreadId{1ULL << 48 | 1}}, true}});
  CHECK(core.from(2, by(1, 1), ThreadJoined{0, 5})[0].starts_with("drop peer 2"));
}

TEST_CASE("when main() has ended by pthread_exit, two rounds without a thread end the process") {
  Threaded core(1);
  const Lines asked = core.call(ThreadExited{main_thread, 0});
  REQUIRE(asked.size() == 3);
  CHECK(asked[1] == "to 1: thread_count_request {0,3}");
  const Transaction first = by(0, 3);
  CHECK(core.from(1, first, ThreadCount{0, 0}).empty());
  CHECK(core.from(2, first, ThreadCount{0, 0}).empty());  // but node 0 has one that lives
  core.exits(1);
  for (std::uint64_t round = 4;; ++round) {
    REQUIRE(round < 6);
    REQUIRE(core.wait(10'000).size() == 2);
    core.from(1, by(0, round), ThreadCount{0, 0});
    const Lines last = core.from(2, by(0, round), ThreadCount{0, 0});
    if (round == 4) CHECK(last.empty());
    else CHECK(last == Lines{"notify client 0"});
    if (round == 5) break;
  }
}

TEST_CASE("threads of the program are counted where they run, those of the runtime are not") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  const auto start = [&core](ThreadId thread, bool of_runtime) {
    core.from(0, by(0, raw(thread)), ThreadStart{thread, 0x1000, 0, of_runtime});
    core.step(ClientCall{{}, NextOrderCall{}});
    core.step(ClientCall{{}, ThreadStarted{thread, 0}});
    return core.counts().threads_run;
  };
  CHECK(start(ThreadId{2}, true) == 1);
  CHECK(start(ThreadId{3}, false) == 2);
  CHECK(start(ThreadId{4}, true) == 2);
}

TEST_CASE("the node that shall run a thread is told that it is one of the runtime") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}, true});
  CHECK(core.step(ClientCall{{}, ThreadCreateCall{0x1000, 5, NodeId{1}, true, true}}) ==
        Lines{"to 1: thread_start 0x2 of the runtime {0,1}"});
  CHECK(core.step(ClientCall{{}, ThreadCreateCall{0x1000, 5, NodeId{1}, true, false}}) ==
        Lines{"to 1: thread_start 0x3 {0,2}"});
}

TEST_CASE("threads of the runtime don't weigh when a node is chosen") {
  Core core(0);
  core.step(ClientAttached{ClientId{0}, true});
  const auto create = [&core](NodeId node, bool of_runtime) {
    return core.step(ClientCall{{}, ThreadCreateCall{0x1000, 0, node, false, of_runtime}})[0];
  };
  for (const unsigned node : {1, 1, 2})
    create(NodeId{static_cast<std::uint8_t>(node)}, true);
  CHECK(create(no_node, false).starts_with("to 1: "));
  CHECK(create(no_node, false).starts_with("to 2: "));
  core.from(1, by(0, 1), ThreadStarted{made, 0});
  core.from(1, by(1, 9), ThreadExited{made, 0});  // what did not count is not taken away
  core.from(1, by(0, 2), ThreadStarted{ThreadId{3}, EAGAIN});
  CHECK(create(no_node, false).starts_with("notify"));  // of the program's one runs on each node
  CHECK(create(no_node, false).starts_with("to 1: "));
}

TEST_CASE("a thread of the runtime keeps the process alive") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  core.step(ClientCall{{}, ThreadCreateCall{0x1000, 0, NodeId{0}, true, true}});
  core.from(0, by(1, 1), ThreadStarted{ThreadId{1ULL << 48 | 2}, 0});
  CHECK(core.from(0, by(0, 9), ThreadCountRequest{}) ==
        Lines{"to 0: thread_count made 2 live 2 {0,9}"});
  core.from(0, by(0, 10), ThreadExited{ThreadId{1ULL << 48 | 2}, 0});
  CHECK(core.from(0, by(0, 9), ThreadCountRequest{}) ==
        Lines{"to 0: thread_count made 2 live 1 {0,9}"});
}

TEST_CASE("every main() that has ended by pthread_exit is told of the last thread's end") {
  Core core(1);
  core.step(ClientAttached{ClientId{0}, true});
  core.step(ClientAttached{ClientId{1}, true});
  core.step(ClientCall{{ClientId{0}, 0, 0}, ThreadExited{ThreadId{1ULL << 48 | 1}, 0}});
  core.step(ClientCall{{ClientId{1}, 0, 0}, ThreadExited{ThreadId{1ULL << 48 | 2}, 0}});
  Lines told;
  for (unsigned round = 0; round < 3 && told.empty(); ++round) {
    const Lines asked = core.wait(10'000);
    REQUIRE(asked.size() <= 2);
    for (std::uint64_t counter = 1; counter < 8; ++counter) {
      core.from(0, by(1, counter), ThreadCount{0, 0});
      if (told = core.from(2, by(1, counter), ThreadCount{0, 0}); !told.empty()) break;
    }
  }
  CHECK(told == Lines{"notify client 0", "notify client 1"});
}

TEST_CASE("a thread made between two rounds keeps the process alive") {
  Threaded core(1);
  core.exits(1);
  core.call(ThreadExited{main_thread, 0});
  for (std::uint64_t round = 3; round < 6; ++round) {
    core.from(1, by(0, round), ThreadCount{round, 0});  // one more was made, and has ended
    CHECK(core.from(2, by(0, round), ThreadCount{0, 0}).empty());
    CHECK(core.wait(10'000).size() == 2);
  }
}
