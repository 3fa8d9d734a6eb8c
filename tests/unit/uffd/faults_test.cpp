// Real faults of user code, their messages and their resolution.
#include <sys/syscall.h>

#include <atomic>

#include "bench.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

InstallOutcome install(const Bench& bench, unsigned page, unsigned char value,
                       Mode mode = Mode::writable) {
  return bench.userfault.copy(bench.address(page), filled_pages(value).data(), mode).outcome;
}

}  // namespace

TEST_CASE("a load of an absent page is a missing fault and gets the page's bytes") {
  const Bench bench;
  std::atomic<std::uint32_t> thread = 0;
  auto reader = on_thread([&] {
    thread = static_cast<std::uint32_t>(::syscall(SYS_gettid));
    return bench.load(3, 123);
  });
  const Fault fault = next_fault(bench.userfault);
  CHECK(fault.kind == FaultKind::missing);
  CHECK(fault.access == Access::read);
  CHECK(fault.address == bench.address(3) + 123);
  CHECK(fault.page_address() == bench.address(3));
  CHECK(fault.thread == thread);
  CHECK(install(bench, 3, 42) == InstallOutcome::installed);
  CHECK(value_of(reader) == 42);
  CHECK(bench.holds(3, 42));
  CHECK(quiet(bench.userfault));
}

TEST_CASE("a store to an absent page says so, and one install is enough") {
  const Bench bench;
  auto writer = on_thread([&] { bench.store(0, 9); });
  const Fault fault = next_fault(bench.userfault);
  CHECK(fault.kind == FaultKind::missing);
  CHECK(fault.access == Access::write);
  CHECK(install(bench, 0, 1) == InstallOutcome::installed);
  value_of(writer);
  CHECK(bench.load(0) == 9);
  CHECK(bench.load(0, 1) == 1);
  CHECK(quiet(bench.userfault));
}

TEST_CASE("a page that the page memory holds is a minor fault") {
  const Bench bench;
  *bench.memory.frame(PageNo{1}) = std::byte{6};
  auto reader = on_thread([&] { return bench.load(1); });
  const Fault load = next_fault(bench.userfault);
  CHECK(load.kind == FaultKind::minor);
  CHECK(load.access == Access::read);
  CHECK(bench.userfault.map_present(bench.address(1), Mode::read_only).outcome ==
        MapOutcome::installed);
  CHECK(value_of(reader) == 6);
  *bench.memory.frame(PageNo{2}) = std::byte{7};
  auto writer = on_thread([&] { bench.store(2, 8); });
  const Fault store = next_fault(bench.userfault);
  CHECK(store.kind == FaultKind::minor);
  CHECK(store.access == Access::write);
  CHECK(bench.userfault.map_present(bench.address(2), Mode::writable).outcome ==
        MapOutcome::installed);
  value_of(writer);
  CHECK(*bench.memory.frame(PageNo{2}) == std::byte{8});
}

TEST_CASE("a page's life: read, upgrade, downgrade, take away, come back") {
  const Bench bench;
  auto reader = on_thread([&] { return bench.load(0); });
  next_fault(bench.userfault);
  CHECK(install(bench, 0, 1, Mode::read_only) == InstallOutcome::installed);
  CHECK(value_of(reader) == 1);

  auto writer = on_thread([&] { bench.store(0, 2); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::write_protect);
  CHECK(bench.load(0) == 1);  // the store has not happened
  CHECK(bench.userfault.unprotect(bench.address(0)).outcome == ProtectOutcome::done);
  value_of(writer);

  CHECK(bench.userfault.protect(bench.address(0)).outcome == ProtectOutcome::done);
  Page kept(page_bytes);
  std::memcpy(kept.data(), bench.memory.frame(PageNo{0}), page_bytes);
  CHECK(kept[0] == std::byte{2});
  CHECK(kept[1] == std::byte{1});
  must(bench.memory.drop(PageNo{0}, 1));

  auto again = on_thread([&] { return bench.load(0); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::missing);
  bench.userfault.copy(bench.address(0), kept.data(), Mode::read_only);
  CHECK(value_of(again) == 2);
}

TEST_CASE("two threads on one page: two faults, one install frees both, the second is stale") {
  const Bench bench;
  auto first = on_thread([&] { return bench.load(5); });
  auto second = on_thread([&] { return bench.load(5, 77); });
  const Fault a = next_fault(bench.userfault);
  const Fault b = next_fault(bench.userfault);
  CHECK(a.thread != b.thread);
  CHECK(a.page_address() == b.page_address());
  CHECK(install(bench, 5, 11) == InstallOutcome::installed);
  CHECK(install(bench, 5, 12) == InstallOutcome::already_present);
  CHECK(value_of(first) == 11);
  CHECK(value_of(second) == 11);
}

TEST_CASE("already_present does not wake: wake() does") {
  const Bench bench;
  auto reader = on_thread([&] { return bench.load(5); });
  next_fault(bench.userfault);
  *bench.memory.frame(PageNo{5}) = std::byte{3};
  CHECK(bench.userfault.map_present(bench.address(5), Mode::writable, 1, Wake::later).outcome ==
        MapOutcome::installed);
  CHECK(bench.userfault.map_present(bench.address(5), Mode::writable).outcome ==
        MapOutcome::already_present);
  CHECK(parked(reader));
  CHECK(bench.userfault.wake(bench.address(5)).outcome == WakeOutcome::done);
  CHECK(value_of(reader) == 3);
}

TEST_CASE("a wake without a page makes the thread fault again") {
  const Bench bench;
  auto reader = on_thread([&] { return bench.load(6); });
  const Fault first = next_fault(bench.userfault);
  CHECK(bench.userfault.wake(bench.address(6)).outcome == WakeOutcome::done);
  const Fault second = next_fault(bench.userfault);
  CHECK(first.address == second.address);
  CHECK(first.thread == second.thread);
  CHECK(install(bench, 6, 1) == InstallOutcome::installed);
  CHECK(value_of(reader) == 1);
}

TEST_CASE("a writer of a page that turned up read-only asks again, for the upgrade") {
  const Bench bench;
  auto writer = on_thread([&] { bench.store(7, 2); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::missing);
  CHECK(install(bench, 7, 1, Mode::read_only) == InstallOutcome::installed);
  const Fault upgrade = next_fault(bench.userfault);
  CHECK(upgrade.kind == FaultKind::write_protect);
  CHECK(upgrade.access == Access::write);
  CHECK(bench.userfault.unprotect(bench.address(7)).outcome == ProtectOutcome::done);
  value_of(writer);
  CHECK(bench.load(7) == 2);
}

TEST_CASE("a fault that is resolved before it is read is not reported") {
  const Bench bench;
  auto reader = on_thread([&] { return bench.load(8); });
  pollfd wanted{.fd = bench.userfault.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&wanted, 1, deadline_ms) == 1);
  CHECK(install(bench, 8, 4) == InstallOutcome::installed);
  CHECK(value_of(reader) == 4);
  CHECK(quiet(bench.userfault));
}

TEST_CASE("one read takes what is there, up to its room") {
  const Bench bench;
  std::vector<std::future<unsigned char>> readers;
  for (unsigned page = 0; page < 12; ++page)
    readers.push_back(on_thread([&bench, page] { return bench.load(page); }));
  Fault faults[max_faults_per_read];
  std::size_t count = 0;
  while (count < 12) {
    pollfd wanted{.fd = bench.userfault.fd(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&wanted, 1, deadline_ms) == 1);
    const ReadOutcome outcome = bench.userfault.read_faults(std::span(faults).first(5));
    REQUIRE(outcome.state == ReadState::faults);
    CHECK(outcome.count <= 5);
    count += outcome.count;
  }
  CHECK(bench.userfault.copy(region_base, filled_pages(1, 12).data(), Mode::read_only, 12)
            .page_count == 12);
  for (auto& reader : readers) CHECK(value_of(reader) == 1);
}
