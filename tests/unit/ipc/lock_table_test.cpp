#include "ipc/lock_table.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

using namespace gallocy;
using namespace gallocy::ipc;

using enum SyncKind;
using enum SyncOperation;

namespace {

constexpr std::uint64_t address = region_base + 64;
constexpr ThreadId me{1ULL << 48 | 1}, other{2ULL << 48 | 1};
constexpr int elsewhere = LockTable::elsewhere;

struct Table {
  int operate(ThreadId thread, SyncOperation operation, SyncKind kind = normal,
              std::uint64_t mutex = address) {
    const auto place = table.find(mutex, thread);
    return place ? operate(*place, operation, kind) : elsewhere;
  }
  static int operate(const LockTable::Place& place, SyncOperation operation, SyncKind kind) {
    return LockTable::operate(place, operation, [kind] { return std::optional(kind); });
  }
  // It is here, and free.
  void put(std::uint64_t mutex = address) {
    REQUIRE(table.place(mutex, me).address == 0);
    REQUIRE(operate(me, give, normal, mutex) == 0);
  }

  std::unique_ptr<LockTable> owned = std::make_unique<LockTable>();
  LockTable& table = *owned;
};

bool is_same(const LockTable::Removed& removed, std::uint64_t mutex, ThreadId owner,
             std::uint32_t depth) {
  return removed.address == mutex && removed.owner == owner && removed.depth == depth;
}

// Mutexes that a thread has, until one finds no room: that is the last, and not here.
std::vector<std::uint64_t> fill(Table& table) {
  std::vector<std::uint64_t> here;
  for (std::uint64_t mutex = region_base;; mutex += 64) {
    REQUIRE(here.size() < 1 << 16);
    const auto left = table.table.place(mutex, me);
    if (left.address == mutex) return here.push_back(mutex), here;
    here.push_back(mutex);
  }
}

}  // namespace

TEST_CASE("a mutex that comes is had by who it was granted to") {
  Table table;
  CHECK(table.operate(me, take) == elsewhere);
  CHECK(table.table.place(address, me).address == 0);
  CHECK(table.table.owner_of(address) == me);
  CHECK(table.operate(other, give) == elsewhere);  // the home says what is wrong with that
  CHECK(table.operate(me, give) == 0);
  CHECK(table.table.owner_of(address) == ThreadId{});
  CHECK(table.operate(me, give) == elsewhere);
  CHECK(table.operate(other, take) == 0);
  CHECK(table.table.owner_of(address) == other);
}

TEST_CASE("who finds it taken waits at the home, or hears that at once") {
  for (const SyncKind kind : {normal, recursive, error_check}) {
    Table table;
    table.put();
    REQUIRE(table.operate(me, take, kind) == 0);
    CHECK(table.operate(other, take, kind) == elsewhere);
    CHECK(table.operate(other, try_take, kind) == EBUSY);
    CHECK(table.operate(me, give, kind) == 0);
    CHECK(table.operate(other, try_take, kind) == 0);
  }
}

TEST_CASE("who has it already gets what its kind says") {
  Table table;
  table.put();
  REQUIRE(table.operate(me, take) == 0);
  CHECK(table.operate(me, take, normal) == elsewhere);  // waits there, as it should
  CHECK(table.operate(me, try_take, normal) == EBUSY);
  CHECK(table.operate(me, take, error_check) == EDEADLK);
  CHECK(table.operate(me, try_take, error_check) == EBUSY);
  CHECK(table.operate(me, try_take, recursive) == 0);
  const auto place = table.table.find(address, me);
  const auto nothing = [] { return std::optional<SyncKind>{}; };
  CHECK(LockTable::operate(*place, take, nothing) == elsewhere);
}

TEST_CASE("a thread has a recursive mutex seven times here, the eighth is the home's") {
  Table table;
  table.put();
  for (int depth = 0; depth < 7; ++depth) CHECK(table.operate(me, take, recursive) == 0);
  CHECK(table.operate(me, take, recursive) == elsewhere);
  CHECK(table.operate(me, try_take, recursive) == elsewhere);
  for (int depth = 0; depth < 7; ++depth) CHECK(table.operate(me, give, recursive) == 0);
  CHECK(table.table.owner_of(address) == ThreadId{});
  CHECK(table.operate(me, give, recursive) == elsewhere);
}

TEST_CASE("an unchecked mutex is unlocked by whoever unlocks it") {
  Table table;
  table.put();
  CHECK(table.operate(me, take, unchecked) == 0);
  CHECK(table.operate(me, try_take, unchecked) == EBUSY);
  CHECK(table.operate(other, give, normal) == elsewhere);
  CHECK(table.operate(other, give, unchecked) == 0);
  CHECK(table.operate(other, give, unchecked) == 0);  // nobody has it
  CHECK(table.operate(other, take, unchecked) == 0);
  CHECK(is_same(table.table.remove(address), address, other, 1));
  CHECK(table.operate(me, give, unchecked) == elsewhere);
}

TEST_CASE("other operations are the home's") {
  Table table;
  table.put();
  for (const SyncOperation operation : {init, destroy, consistent, value, give_all})
    CHECK(table.operate(me, operation) == elsewhere);
}

TEST_CASE("what is removed is said as it was, and not found any more") {
  Table table;
  table.put();
  const auto place = table.table.find(address, me);
  REQUIRE(place);
  for (int depth = 0; depth < 3; ++depth) table.operate(me, take, recursive);
  CHECK(is_same(table.table.remove(address), address, me, 3));
  CHECK(is_same(table.table.remove(address), address, {}, 0));
  CHECK_FALSE(table.table.find(address, me));
  for (const SyncOperation operation : {take, try_take, give})
    CHECK(Table::operate(*place, operation, recursive) == elsewhere);
}

TEST_CASE("a mutex is not taken for another one that has its place") {
  Table table;
  const std::vector<std::uint64_t> here = fill(table);
  const std::uint64_t last = here.back();  // has no room: all others of its set are had
  CHECK_FALSE(table.table.find(last, me));
  std::uint64_t leaves = 0;
  for (const std::uint64_t mutex : here) {
    if (mutex == last) break;
    const auto place = table.table.find(mutex, me);
    REQUIRE(place);
    REQUIRE(table.operate(me, give, normal, mutex) == 0);
    const auto left = table.table.place(last, other);
    if (left.address == last) continue;  // of another set
    leaves = mutex;
    CHECK(is_same(left, mutex, {}, 0));
    CHECK(table.table.owner_of(last) == other);
    for (const SyncOperation operation : {take, try_take, give})
      CHECK(Table::operate(*place, operation, normal) == elsewhere);
    break;
  }
  CHECK(leaves != 0);
}

TEST_CASE("a mutex leaves for another one only if nobody has it") {
  Table table;
  const std::uint64_t last = fill(table).back();
  CHECK(is_same(table.table.place(last, other), last, other, 1));
}

TEST_CASE("mutexes that have no word, and threads that fit into none, stay away") {
  Table table;
  const std::uint64_t first_beyond = region_base + 4 * ((std::uint64_t{1} << 37) - 1);
  for (const std::uint64_t mutex : {address + 1, address + 2, first_beyond, region_base - 4}) {
    CHECK(is_same(table.table.place(mutex, me), mutex, me, 1));
    CHECK_FALSE(table.table.find(mutex, me));
    CHECK(is_same(table.table.remove(mutex), mutex, {}, 0));
    CHECK(table.table.owner_of(mutex) == ThreadId{});
  }
  CHECK(table.table.place(first_beyond - 4, me).address == 0);
  CHECK(is_same(table.table.remove(first_beyond - 4), first_beyond - 4, me, 1));
  for (const ThreadId thread : {ThreadId{}, ThreadId{1ULL << 48}, ThreadId{1 << 18},
                                ThreadId{std::uint64_t{max_node_count} << 48 | 1}}) {
    CHECK(is_same(table.table.place(address, thread), address, thread, 1));
    CHECK_FALSE(table.table.find(address, thread));
  }
  const ThreadId greatest{std::uint64_t{max_node_count - 1} << 48 | ((1 << 18) - 1)};
  CHECK(table.table.place(address, greatest).address == 0);
  CHECK(table.table.owner_of(address) == greatest);
}

// A third one removes the mutex over and over, as a home that calls it back does, and places it
// again as soon as nobody has it; who had it when it went gives it back to that one. Until that has
// happened often: threads yield while they have it, so it does on one processor, too.
TEST_CASE("two threads count under a mutex that comes and goes") {
  constexpr int had_rounds = 1000;
  Table table;
  table.put();
  std::uint64_t counted = 0;  // by whoever has the mutex
  std::uint64_t counts[2] = {};
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> away_owner{0};  // has the mutex, which is not here
  const auto work = [&](ThreadId thread, std::uint64_t& count) {
    std::optional<LockTable::Place> known;
    const auto has_done = [&](SyncOperation operation) {
      if (!known) known = table.table.find(address, thread);
      const bool done = known && Table::operate(*known, operation, normal) == 0;
      if (!done) known.reset();
      return done;
    };
    for (; !over; ++count) {
      while (!has_done(take)) std::this_thread::yield();
      ++counted;
      if (count % 4 == 0) std::this_thread::yield();
      while (!has_done(give)) {
        std::uint64_t owner = raw(thread);
        if (away_owner.compare_exchange_strong(owner, 0, std::memory_order_release)) break;
        std::this_thread::yield();
      }
    }
  };
  std::thread first(work, me, std::ref(counts[0])), second(work, other, std::ref(counts[1]));
  const ThreadId keeper{3ULL << 48 | 1};
  int misplaced_count = 0;
  for (int had_count = 0; had_count < had_rounds;) {
    const ThreadId owner = table.table.remove(address).owner;
    if (owner != ThreadId{}) ++had_count;
    away_owner.store(raw(owner), std::memory_order_relaxed);
    while (away_owner.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    if (table.table.place(address, keeper).address != 0) ++misplaced_count;
    if (table.operate(keeper, give) != 0) ++misplaced_count;
    std::this_thread::yield();
  }
  over = true;
  first.join();
  second.join();
  CHECK(counted == counts[0] + counts[1]);
  CHECK(misplaced_count == 0);
}
