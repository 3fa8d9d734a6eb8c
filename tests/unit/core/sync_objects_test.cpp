// What each kind of object does, at its home.
#include "sync_support.hpp"

using namespace gallocy;
using namespace gallocy::core;

using enum SyncKind;
using enum SyncOperation;

TEST_CASE("what the owner of a mutex gets for locking again depends on the kind") {
  SyncCore core;
  REQUIRE(core.take(1, normal) == Lines{got(1, 0)});
  CHECK(core.take(1, recursive) == Lines{got(1, 0)});
  CHECK(core.try_take(1, recursive) == Lines{got(1, 0)});
  CHECK(core.take(1, error_check) == Lines{got(1, EDEADLK)});
  CHECK(core.try_take(1, error_check) == Lines{got(1, EBUSY)});
  CHECK(core.try_take(1, normal) == Lines{got(1, EBUSY)});
  CHECK(core.take(1, normal) == waits);
}

TEST_CASE("a mutex goes from owner to owner in the order in which they came") {
  SyncCore core;
  core.take(1, normal);
  CHECK(core.take(2, normal) == waits);
  CHECK(core.take(3, normal) == waits);
  CHECK(core.give(2, normal) == Lines{got(2, EPERM)});
  CHECK(core.give(1, normal) == Lines{got(2, 0), got(1, 0)});
  CHECK(core.ask(1, destroy, normal) == Lines{got(1, EBUSY)});
  CHECK(core.give(2, normal) == Lines{got(3, 0), got(2, 0)});
  CHECK(core.give(3, normal) == Lines{got(3, 0)});
  CHECK(core.give(3, normal) == Lines{got(3, EPERM)});
  CHECK(core.ask(1, destroy, normal) == Lines{got(1, 0)});
  CHECK(core.objects() == 0);
}

TEST_CASE("an unchecked mutex is unlocked by whoever unlocks it") {
  SyncCore core;
  core.take(1, unchecked);
  CHECK(core.try_take(1, unchecked) == Lines{got(1, EBUSY)});
  CHECK(core.take(2, unchecked) == waits);
  CHECK(core.give(13, unchecked) == Lines{got(2, 0), got(13, 0)});
  CHECK(core.claims() == Lines{"2"});
  CHECK(core.give(1, unchecked) == Lines{got(1, 0)});
  CHECK(core.claims().empty());
  CHECK(core.give(1, unchecked) == Lines{got(1, 0)});  // nobody has it
  CHECK(core.objects() == 0);
}

TEST_CASE("what a thread has at a memory that is over it does not claim any more") {
  SyncCore core;
  core.take(1, normal);
  CHECK(core.claims() == Lines{"1"});
  CHECK(core.ask(2, init, normal) == Lines{got(2, 0)});
  CHECK(core.claims().empty());
}

TEST_CASE("a semaphore of zeros begins with 0, whatever was there") {
  SyncCore core;
  CHECK(core.take(1, semaphore) == Lines{got(1, EINVAL)});
  CHECK(core.take(1, semaphore, from_zeros) == waits);
  CHECK(core.ask(2, give, semaphore, from_zeros) == Lines{got(1, 0), got(2, 0)});
  CHECK(core.ask(2, init, semaphore, 5) == Lines{got(2, 0)});
  CHECK(core.try_take(1, semaphore) == Lines{got(1, 0)});
  CHECK(core.ask(1, try_take, semaphore, from_zeros) == Lines{got(1, EBUSY)});
  CHECK(core.try_take(1, semaphore) == Lines{got(1, EINVAL)});
}

TEST_CASE("a robust mutex whose owner has died is mended, or lost for ever") {
  SyncCore core;
  core.take(11, robust_normal);
  core.take(2, robust_normal);
  CHECK(core.dies(1) == Lines{got(2, EOWNERDEAD)});
  CHECK(core.ask(3, consistent, robust_normal) == Lines{got(3, EINVAL)});  // not the owner
  CHECK(core.ask(2, consistent, robust_normal) == Lines{got(2, 0)});
  CHECK(core.ask(2, consistent, robust_normal) == Lines{got(2, EINVAL)});  // nothing to mend
  CHECK(core.give(2, robust_normal) == Lines{got(2, 0)});
  CHECK(core.objects() == 0);

  core.take(11, robust_normal);
  core.dies(1);
  CHECK(core.try_take(2, robust_normal) == Lines{got(2, EOWNERDEAD)});
  core.take(3, robust_normal);
  CHECK(core.give(2, robust_normal) == Lines{got(3, ENOTRECOVERABLE), got(2, 0)});
  CHECK(core.take(4, robust_normal) == Lines{got(4, ENOTRECOVERABLE)});
  CHECK(core.ask(4, destroy, robust_normal) == Lines{got(4, 0)});
  CHECK(core.take(4, robust_normal) == Lines{got(4, 0)});
}

TEST_CASE("who gets a robust mutex from the dead and dies too leaves it as it was") {
  SyncCore core;
  core.take(11, robust_recursive);
  core.take(21, robust_recursive);
  core.take(31, robust_recursive);
  CHECK(core.dies(1) == Lines{got(21, EOWNERDEAD)});
  CHECK(core.dies(2) == Lines{got(31, EOWNERDEAD)});
  CHECK(core.ask(31, consistent, robust_recursive) == Lines{got(31, 0)});
}

TEST_CASE("other locks of a process that has died go to the next, and the log says so") {
  SyncCore core;
  const std::string lost = "owner 0xb of 0x550000000040 is lost";
  core.take(11, recursive);
  core.take(11, recursive);
  core.take(2, normal);
  CHECK(core.dies(1) == Lines{lost, got(2, 0)});
  core.give(2, normal);

  core.take(11, reader);
  core.take(11, reader);
  core.take(2, writer);
  CHECK(core.dies(1) == Lines{lost, got(2, 0)});
  core.give(2, writer);

  core.take(11, writer);
  core.take(2, reader);
  core.take(3, reader);
  CHECK(core.dies(1) == Lines{lost, got(2, 0), got(3, 0)});
  core.give(2, reader);
  core.give(3, reader);
  CHECK(core.objects() == 0);
}

TEST_CASE("of readers that are only counted any thread ends one's hold, and its node is told") {
  SyncCore core;
  std::size_t told = 0;  // how often the other two nodes were
  const auto counted = [&](unsigned thread, SyncOperation operation, SyncKind kind) {
    Lines lines = core.ask(thread, operation, kind, readers_counted);
    told += std::erase_if(lines, [](const auto& line) { return line.starts_with("to "); });
    return lines;
  };
  counted(1, take, reader);
  counted(1, take, reader);
  CHECK(counted(1, take, writer) == waits);  // for itself, unless others help
  CHECK(counted(2, give, writer) == Lines{got(2, 0)});
  CHECK(core.claims() == Lines{"1"});
  CHECK(counted(2, give, writer) == Lines{got(1, 0), got(2, 0)});
  CHECK(core.claims() == Lines{"1"});  // writes now
  CHECK(counted(1, take, writer) == Lines{got(1, EDEADLK)});
  CHECK(counted(3, give, writer) == Lines{got(3, 0)});
  CHECK(core.claims().empty());
  CHECK(told == 6);
  CHECK(counted(3, give, writer) == Lines{got(3, 0)});  // of nobody
  CHECK(core.objects() == 0);
}

TEST_CASE("readers share, writers do not, and neither starves") {
  SyncCore core;
  CHECK(core.take(1, reader) == Lines{got(1, 0)});
  CHECK(core.take(2, reader) == Lines{got(2, 0)});
  CHECK(core.try_take(3, writer) == Lines{got(3, EBUSY)});
  CHECK(core.take(3, writer) == waits);
  CHECK(core.take(4, reader) == waits);  // behind the writer
  CHECK(core.try_take(4, reader) == Lines{got(4, EBUSY)});
  CHECK(core.take(5, reader) == waits);
  CHECK(core.take(1, reader) == Lines{got(1, 0)});  // or it would wait for itself
  CHECK(core.take(1, writer) == Lines{got(1, EDEADLK)});
  CHECK(core.give(2, reader) == Lines{got(2, 0)});
  CHECK(core.give(1, reader) == Lines{got(1, 0)});
  CHECK(core.give(1, reader) == Lines{got(3, 0), got(1, 0)});
  CHECK(core.take(3, writer) == Lines{got(3, EDEADLK)});
  CHECK(core.take(3, reader) == Lines{got(3, EDEADLK)});
  CHECK(core.try_take(3, reader) == Lines{got(3, EBUSY)});
  CHECK(core.give(4, reader) == Lines{got(4, EPERM)});
  CHECK(core.give(3, writer) == Lines{got(4, 0), got(5, 0), got(3, 0)});
  CHECK(core.ask(1, destroy, writer) == Lines{got(1, EBUSY)});
  core.give(4, reader);
  core.give(5, reader);
  CHECK(core.ask(1, destroy, writer) == Lines{got(1, 0)});
  CHECK(core.objects() == 0);
}

TEST_CASE("a writer that waits no longer lets the readers behind it in") {
  SyncCore core;
  core.take(1, reader);
  core.ask(2, take, writer, 0, 100);
  core.take(3, reader);
  CHECK(core.pass(100) == Lines{got(2, ETIMEDOUT), got(3, 0)});
}

TEST_CASE("a barrier lets go when all are there, and is new at once") {
  SyncCore core;
  for (int round = 0; round < 2; ++round) {
    CHECK(core.take(1, barrier, 3) == waits);
    CHECK(core.ask(2, destroy, barrier) == Lines{got(2, EBUSY)});
    CHECK(core.take(2, barrier, 3) == waits);
    CHECK(core.take(3, barrier, 3) == Lines{got(3, 0), got(1, 0), got(2, 0)});
  }
  CHECK(core.take(1, barrier, 1) == Lines{got(1, 0)});
  CHECK(core.ask(2, destroy, barrier) == Lines{got(2, 0)});
  CHECK(core.objects() == 0);
}

TEST_CASE("a barrier does not count the dead") {
  SyncCore core;
  core.take(11, barrier, 2);
  CHECK(core.dies(1) == waits);
  CHECK(core.take(1, barrier, 2) == waits);
  CHECK(core.take(2, barrier, 2) == Lines{got(2, 0), got(1, 0)});
}

TEST_CASE("a semaphore counts") {
  SyncCore core;
  CHECK(core.take(1, semaphore) == Lines{got(1, EINVAL)});  // before its init
  CHECK(core.ask(1, init, semaphore, 1) == Lines{got(1, 0)});
  CHECK(core.take(1, semaphore) == Lines{got(1, 0)});
  CHECK(core.try_take(1, semaphore) == Lines{got(1, EBUSY)});
  CHECK(core.take(2, semaphore) == waits);
  CHECK(core.ask(3, destroy, semaphore) == Lines{got(3, EBUSY)});
  CHECK(core.give(3, semaphore) == Lines{got(2, 0), got(3, 0)});
  CHECK(core.give(3, semaphore) == Lines{got(3, 0)});
  CHECK(core.ask(3, destroy, semaphore) == Lines{got(3, 0)});
  CHECK(core.give(3, semaphore) == Lines{got(3, EINVAL)});
  core.ask(1, init, semaphore, Semaphore::value_max);
  CHECK(core.give(1, semaphore) == Lines{got(1, EOVERFLOW)});
  CHECK(core.ask(1, init, semaphore, Semaphore::value_max + 1) == Lines{got(1, EINVAL)});
}

TEST_CASE("memory that is used anew does not inherit what was there") {
  SyncCore core;
  core.take(1, normal);
  core.take(2, normal);
  CHECK(core.ask(3, init, normal) == Lines{got(2, EINVAL), got(3, 0)});
  CHECK(core.take(3, normal) == Lines{got(3, 0)});
  CHECK(core.take(4, reader) == Lines{got(4, 0)});  // by a static initialiser
  CHECK(core.give(3, normal) == Lines{got(3, EPERM)});
}

TEST_CASE("memory that is given back has no objects") {
  SyncCore core;
  core.take(1, normal);
  core.take(2, normal);
  const auto said = core.shortened(core.step(ClientCall{{}, ReturnChunksCall{region_base, 1}}));
  CHECK(said == Lines{got(2, EINVAL)});
  CHECK(core.objects() == 0);
}

TEST_CASE("what no object can do, or no thread may ask, is refused") {
  SyncCore core;
  for (const SyncOperation operation : {withdraw, abandon})
    CHECK(core.ask(1, operation, normal, 1) == Lines{got(1, EINVAL)});
  CHECK(core.take(1, condition) == Lines{got(1, EINVAL)});
  CHECK(core.take(1, barrier, 0) == Lines{got(1, EINVAL)});
  CHECK(core.try_take(1, barrier) == Lines{got(1, EINVAL)});
  CHECK(core.give(1, barrier) == Lines{got(1, EINVAL)});
  CHECK(core.ask(1, give_all, semaphore) == Lines{got(1, EINVAL)});
  CHECK(core.ask(1, consistent, reader) == Lines{got(1, EINVAL)});
  CHECK(core.ask(1, value, normal) == Lines{got(1, EINVAL)});
  CHECK(core.take(0, normal) == Lines{got(0, EPERM)});
  const std::uint64_t outside = region_base + core.entries.size() * page_bytes;
  for (const std::uint64_t address :
       {std::uint64_t{0}, std::uint64_t{region_base - 1}, outside, ~std::uint64_t{0}})
    CHECK(core.ask(1, take, normal, 0, no_timeout, address) == Lines{got(1, EINVAL)});
  // A chunk that nobody was given.
  CHECK(core.ask(1, take, normal, 0, no_timeout, region_base + chunk_bytes) ==
        Lines{got(1, EINVAL)});
  CHECK(core.objects() == 0);
  CHECK(core.calls() == 0);
}

TEST_CASE("a peer that asks what no node asks is dropped") {
  SyncCore core;
  const ThreadId thread{1ULL << 48 | 1};
  const auto dropped = [](const Lines& lines) {
    return lines.size() == 1 && lines[0].starts_with("drop peer 1");
  };
  CHECK(dropped(core.from(1, by(1, 1), SyncRequest{object_address, thread, consistent, barrier})));
  CHECK(dropped(core.from(1, by(1, 1),
                          SyncRequest{object_address, thread, withdraw, normal, 4096})));
  CHECK(dropped(core.from(1, by(1, 1), SyncRequest{object_address, thread, withdraw, normal, 0})));
  CHECK(dropped(core.from(1, by(1, 1),
                          SyncRequest{region_base + chunk_bytes, thread, take, normal})));
  CHECK(dropped(core.from(1, by(0, 77), SyncReply{0})));
}
