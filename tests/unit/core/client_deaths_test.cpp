// What others get of a client that has gone: all, in a job that outlives its clients, and nothing,
// in one that ends with the first of them. Threads 11 to 19 are of the client that goes.
#include "sync_support.hpp"

using namespace gallocy;
using namespace gallocy::core;

using enum SyncKind;
using enum SyncOperation;

namespace {

Config config_that(bool outlives_clients) {
  Config config = Core::make_config(0, 4);
  config.outlives_clients = outlives_clients;
  return config;
}

struct Job : SyncCore {
  explicit Job(bool outlives_clients) : SyncCore(config_that(outlives_clients)) {}

  // Client 0 runs main(), which has made a thread in client 1.
  void run_threads() {
    step(ClientAttached{client_of(1), false});
    step(ClientCall{tag(1), ThreadCreateCall{0x1000, 0, NodeId{0}, false}});
    step(ClientCall{tag(11), ThreadStarted{made, 0}});
    step(ClientAttached{client_of(0), true});
  }
  Lines join(TimeUs timeout_us = no_timeout) {
    return shortened(
        step(ClientCall{tag(1), ThreadJoinCall{{made, main_thread}, false, timeout_us}}));
  }

  static constexpr ThreadId made{2}, main_thread{3};  // 1 is of client 1
};

const std::string lost = "owner 0xb of 0x550000000040 is lost";

}  // namespace

TEST_CASE("a lock of a client that has gone is the next one's, if there is a job for that") {
  for (const SyncKind kind : {normal, recursive, error_check, writer}) {
    Job job(true);
    job.take(11, kind);
    job.take(1, kind);
    CHECK(job.dies(1) == Lines{lost, got(1, 0)});

    Job ending(false);
    ending.take(11, kind);
    ending.take(1, kind);
    CHECK(ending.dies(1) == waits);
    CHECK(ending.take(2, kind) == waits);
    CHECK(ending.try_take(3, kind) == Lines{got(3, EBUSY)});
    CHECK(ending.ask(4, take, kind, 0, 100) == waits);
    CHECK(ending.pass(100) == Lines{got(4, ETIMEDOUT)});
  }
}

TEST_CASE("a robust mutex tells of its owner's end, and not of the job's") {
  Job job(true);
  job.take(11, robust_normal);
  job.take(1, robust_normal);
  CHECK(job.dies(1) == Lines{got(1, EOWNERDEAD)});

  Job ending(false);
  ending.take(11, robust_normal);
  ending.take(1, robust_normal);
  CHECK(ending.dies(1) == waits);
  CHECK(ending.try_take(2, robust_normal) == Lines{got(2, EBUSY)});
}

TEST_CASE("a lent mutex of a client that has gone comes back, if there is a job for that") {
  const auto lend = [](Job& job) {
    job.tables_are_full = false;
    job.take(11, normal);
    job.give(11, normal);
    job.take(11, normal);
  };
  const Lines called_back{"take token 0x550000000040 from client 1"};
  Job job(true);
  lend(job);
  CHECK(job.dies(1) == called_back);

  // Its table has gone with it, or is left for a moment: either way nobody gets the mutex.
  Job ending(false);
  lend(ending);
  CHECK(ending.dies(1) == waits);
  CHECK(ending.take(1, normal) == called_back);
  CHECK(ending.take(2, normal) == waits);
  CHECK(ending.shortened(ending.step(TokenTaken{Job::client_of(1), object_address, ThreadId{11},
                                                1})) == waits);
  CHECK(ending.try_take(3, normal) == Lines{got(3, EBUSY)});
}

TEST_CASE("who has gone stands in queues as long as a job ends for it") {
  Job job(true);
  job.take(1, reader);
  job.take(11, writer);
  job.take(2, reader);
  CHECK(job.dies(1) == Lines{got(2, 0)});

  Job ending(false);
  ending.take(1, reader);
  ending.take(11, writer);
  ending.take(2, reader);
  CHECK(ending.dies(1) == waits);
  CHECK(ending.give(1, reader) == Lines{got(11, 0), got(1, 0)});  // nobody hears the first
  CHECK(ending.take(3, reader) == waits);
}

TEST_CASE("a barrier counts who has come to it and gone, unless the job goes on without") {
  const auto meet = [](Job& job, unsigned thread) { return job.take(thread, barrier, 3); };
  Job job(true);
  meet(job, 11);
  meet(job, 1);
  CHECK(job.dies(1) == waits);
  CHECK(meet(job, 2) == waits);  // there are but two

  Job ending(false);
  meet(ending, 1);
  ending.take(11, normal);
  CHECK(ending.dies(1) == waits);
  CHECK(meet(ending, 2) == waits);
}

TEST_CASE("the threads of a client that has gone have ended, if there is a job for that") {
  Job job(true);
  job.run_threads();
  CHECK(job.join() == waits);
  CHECK(job.dies(1) == Lines{got(1, 0)});

  Job ending(false);
  ending.run_threads();
  CHECK(ending.join() == waits);
  CHECK(ending.dies(1) == waits);
  CHECK(ending.join(0) == Lines{got(1, EINVAL)});  // the other join waits
}

TEST_CASE("a thread that has ended before its client has gone is joined") {
  Job ending(false);
  ending.run_threads();
  ending.step(ClientCall{Job::tag(11), ThreadExited{ending.made, 5}});
  CHECK(ending.dies(1) == waits);
  CHECK(ending.join() == Lines{got(1, 0)});
}

TEST_CASE("the job's last thread has not ended with a client that the job ends with") {
  for (const bool outlives_clients : {true, false}) {
    Job job(outlives_clients);
    job.run_threads();
    job.step(ClientCall{Job::tag(1), ThreadExited{Job::main_thread, 0}});
    job.dies(1);
    Lines told;
    for (std::uint64_t counter = 1; counter < 20 && told.empty(); ++counter) {
      job.wait(10'000);
      job.from(1, by(0, counter), ThreadCount{0, 0});
      told = job.from(2, by(0, counter), ThreadCount{0, 0});
    }
    CHECK(told == (outlives_clients ? Lines{"notify client 0"} : Lines{}));
  }
}
