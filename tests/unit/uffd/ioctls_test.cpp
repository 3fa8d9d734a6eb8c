// Every ioctl, every outcome that can be provoked from one process. (process_gone is in
// client_test; out_of_memory is only translated, in decode_test.)
#include <errno.h>
#include <sys/mman.h>

#include "bench.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

constexpr std::uint64_t nowhere = region_base + 64 * chunk_bytes;
constexpr std::uint64_t elsewhere = region_base + 128 * chunk_bytes;

// A store to a page that must not be protected: it returns without a pager.
void store_freely(const Bench& bench, unsigned page, unsigned char value) {
  auto writer = on_thread([&bench, page, value] { bench.store(page, value); });
  value_of(writer);
  CHECK(quiet(bench.userfault));
}

void store_faults_on_protection(const Bench& bench, unsigned page) {
  auto writer = on_thread([&bench, page] { bench.store(page, 0xee); });
  const Fault fault = next_fault(bench.userfault);
  CHECK(fault.kind == FaultKind::write_protect);
  CHECK(fault.access == Access::write);
  CHECK(bench.userfault.unprotect(bench.address(page)).outcome == ProtectOutcome::done);
  value_of(writer);
}

}  // namespace

TEST_CASE("copy installs writable or read-only") {
  const Bench bench;
  const auto writable = bench.userfault.copy(bench.address(0), filled_pages(1).data(),
                                             Mode::writable);
  CHECK(writable.outcome == InstallOutcome::installed);
  CHECK(writable.page_count == 1);
  CHECK(writable.code == 0);
  CHECK(bench.holds(0, 1));
  store_freely(bench, 0, 2);
  CHECK(bench.userfault.copy(bench.address(1), filled_pages(3).data(), Mode::read_only).outcome ==
        InstallOutcome::installed);
  CHECK(bench.holds(1, 3));
  CHECK(bench.frame_holds(1, 3));
  store_faults_on_protection(bench, 1);
}

TEST_CASE("copy never overwrites, mapped or not") {
  const Bench bench;
  bench.userfault.copy(bench.address(0), filled_pages(1).data(), Mode::writable);
  const auto again = bench.userfault.copy(bench.address(0), filled_pages(2).data(),
                                          Mode::writable);
  CHECK(again.outcome == InstallOutcome::already_present);
  CHECK(again.page_count == 0);
  CHECK(again.code == EEXIST);
  CHECK(bench.holds(0, 1));
  *bench.memory.frame(PageNo{1}) = std::byte{4};  // in the page memory, not mapped
  CHECK(bench.userfault.copy(bench.address(1), filled_pages(2).data(), Mode::writable).outcome ==
        InstallOutcome::already_present);
}

TEST_CASE("a range stops at the first page that is there, and says how far it came") {
  const Bench bench;
  bench.userfault.copy(bench.address(3), filled_pages(9).data(), Mode::writable);
  const auto partial = bench.userfault.copy(bench.address(0), filled_pages(1, 8).data(),
                                            Mode::writable, 8);
  CHECK(partial.outcome == InstallOutcome::already_present);
  CHECK(partial.page_count == 3);
  CHECK(bench.holds(2, 1));
  CHECK(bench.holds(3, 9));
  const auto whole = bench.userfault.copy(bench.address(8), filled_pages(5, 8).data(),
                                          Mode::read_only, 8);
  CHECK(whole.outcome == InstallOutcome::installed);
  CHECK(whole.page_count == 8);
  CHECK(bench.holds(15, 5));
}

TEST_CASE("zero pages, writable and read-only") {
  const Bench bench;
  CHECK(bench.userfault.zero_writable(bench.address(0)).outcome == InstallOutcome::installed);
  CHECK(bench.userfault.zero_writable(bench.address(0)).outcome ==
        InstallOutcome::already_present);
  CHECK(bench.holds(0, 0));
  store_freely(bench, 0, 1);
  CHECK(bench.userfault.zero_read_only(bench.address(1)).outcome == InstallOutcome::installed);
  CHECK(bench.userfault.zero_read_only(bench.address(1)).outcome ==
        InstallOutcome::already_present);
  CHECK(bench.holds(1, 0));
  store_faults_on_protection(bench, 1);
}

TEST_CASE("map_present maps what the page memory holds, in the mode asked for") {
  const Bench bench;
  const auto nothing = bench.userfault.map_present(bench.address(0), Mode::writable);
  CHECK(nothing.outcome == MapOutcome::absent);
  CHECK(nothing.page_count == 0);
  *bench.memory.frame(PageNo{0}) = std::byte{1};
  *bench.memory.frame(PageNo{1}) = std::byte{2};
  CHECK(bench.userfault.map_present(bench.address(0), Mode::writable).outcome ==
        MapOutcome::installed);
  store_freely(bench, 0, 7);
  CHECK(bench.userfault.map_present(bench.address(1), Mode::read_only).outcome ==
        MapOutcome::installed);
  CHECK(bench.load(1) == 2);
  CHECK(bench.userfault.map_present(bench.address(1), Mode::writable).outcome ==
        MapOutcome::already_present);
  store_faults_on_protection(bench, 1);  // already_present did not change the mode
}

TEST_CASE("map_present stops at a hole") {
  const Bench bench;
  for (unsigned page = 0; page < 4; ++page) *bench.memory.frame(PageNo{page}) = std::byte{1};
  const auto partial = bench.userfault.map_present(bench.address(0), Mode::read_only, 8);
  CHECK(partial.outcome == MapOutcome::absent);
  CHECK(partial.page_count == 4);
}

TEST_CASE("map_present passes its mode even over a protected hole") {
  const Bench bench;
  CHECK(bench.userfault.protect(bench.address(0), 2).outcome == ProtectOutcome::done);
  *bench.memory.frame(PageNo{0}) = std::byte{1};
  *bench.memory.frame(PageNo{1}) = std::byte{1};
  CHECK(bench.userfault.map_present(bench.address(0), Mode::writable).outcome ==
        MapOutcome::installed);
  store_freely(bench, 0, 2);
  CHECK(bench.userfault.map_present(bench.address(1), Mode::read_only).outcome ==
        MapOutcome::installed);
  store_faults_on_protection(bench, 1);
}

TEST_CASE("protect and unprotect whole ranges, holes included") {
  const Bench bench;
  bench.userfault.copy(bench.address(0), filled_pages(1, 2).data(), Mode::writable, 2);
  const auto result = bench.userfault.protect(bench.address(0), 4);
  CHECK(result.outcome == ProtectOutcome::done);
  CHECK(result.page_count == 4);
  store_faults_on_protection(bench, 0);
  CHECK(bench.userfault.unprotect(bench.address(0), 4).outcome == ProtectOutcome::done);
  store_freely(bench, 1, 5);
}

TEST_CASE("what is installed after protect and drop is writable if it should be") {
  const Bench bench;
  bench.userfault.copy(bench.address(0), filled_pages(1, 3).data(), Mode::writable, 3);
  bench.userfault.protect(bench.address(0), 3);
  must(bench.memory.drop(PageNo{0}, 3));
  bench.userfault.copy(bench.address(0), filled_pages(2).data(), Mode::writable);
  bench.userfault.zero_writable(bench.address(1));
  *bench.memory.frame(PageNo{2}) = std::byte{3};
  bench.userfault.map_present(bench.address(2), Mode::writable);
  for (unsigned page = 0; page < 3; ++page) store_freely(bench, page, 9);
}

TEST_CASE("poison marks holes only") {
  const Bench bench;
  bench.userfault.zero_writable(bench.address(1));
  const auto mapped = bench.userfault.poison(bench.address(1));
  CHECK(mapped.outcome == PoisonOutcome::already_present);
  CHECK(mapped.page_count == 0);
  must(bench.memory.drop(PageNo{1}, 1));
  CHECK(bench.userfault.poison(bench.address(1)).outcome == PoisonOutcome::poisoned);
  CHECK(bench.userfault.poison(bench.address(1)).outcome == PoisonOutcome::already_present);
}

TEST_CASE("poison is refused where a protection has left its mark") {
  const Bench bench;
  bench.userfault.zero_read_only(bench.address(0));
  bench.userfault.protect(bench.address(1));  // a hole
  must(bench.memory.drop(PageNo{0}, 1));
  for (unsigned page = 0; page < 2; ++page) {
    const std::uint64_t address = bench.address(page);
    CHECK(bench.userfault.poison(address).outcome == PoisonOutcome::already_present);
    CHECK(bench.userfault.unprotect(address).outcome == ProtectOutcome::done);
    CHECK(bench.userfault.poison(address).outcome == PoisonOutcome::poisoned);
    // It is no protection, and does not go with one.
    CHECK(bench.userfault.unprotect(address).outcome == ProtectOutcome::done);
    CHECK(bench.userfault.poison(address).outcome == PoisonOutcome::already_present);
  }
}

TEST_CASE("unprotect wakes now or later") {
  const Bench bench;
  bench.userfault.zero_read_only(bench.address(0));
  auto writer = on_thread([&] { bench.store(0, 1); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::write_protect);
  CHECK(bench.userfault.unprotect(bench.address(0), 1, Wake::later).outcome ==
        ProtectOutcome::done);
  CHECK(parked(writer));
  bench.userfault.wake(bench.address(0));
  value_of(writer);
}

TEST_CASE("poison outlives a drop and ends when a page is installed") {
  const Bench bench;
  for (unsigned page = 0; page < 3; ++page) bench.userfault.poison(bench.address(page));
  must(bench.memory.drop(PageNo{0}, 3));
  CHECK(bench.userfault.poison(bench.address(0)).outcome == PoisonOutcome::already_present);
  CHECK(bench.userfault.copy(bench.address(0), filled_pages(1).data(), Mode::writable).outcome ==
        InstallOutcome::installed);
  CHECK(bench.holds(0, 1));
  CHECK(bench.userfault.zero_writable(bench.address(1)).outcome == InstallOutcome::installed);
  CHECK(bench.holds(1, 0));
  *bench.memory.frame(PageNo{2}) = std::byte{3};
  CHECK(bench.userfault.map_present(bench.address(2), Mode::read_only).outcome ==
        MapOutcome::installed);
  CHECK(bench.load(2) == 3);
}

TEST_CASE("ioctls on an unmapped range") {
  Bench bench;
  bench.region.unmap();
  const std::uint64_t address = region_base;
  CHECK(bench.userfault.copy(address, filled_pages(1).data(), Mode::writable).outcome ==
        InstallOutcome::unmapped);
  CHECK(bench.userfault.zero_writable(address).outcome == InstallOutcome::unmapped);
  CHECK(bench.userfault.zero_read_only(address).outcome == InstallOutcome::unmapped);
  CHECK(bench.userfault.map_present(address, Mode::writable).outcome == MapOutcome::unmapped);
  CHECK(bench.userfault.protect(address).outcome == ProtectOutcome::unmapped);
  CHECK(bench.userfault.unprotect(address).outcome == ProtectOutcome::unmapped);
  CHECK(bench.userfault.poison(address).outcome == PoisonOutcome::unmapped);
  CHECK(bench.userfault.wake(address).outcome == WakeOutcome::done);
}

TEST_CASE("a range that was never ours, and an address that is none") {
  const Bench bench;
  CHECK(bench.userfault.zero_writable(nowhere).outcome == InstallOutcome::unmapped);
  const auto odd = bench.userfault.copy(bench.address(0) + 1, filled_pages(1).data(),
                                        Mode::writable);
  CHECK(odd.outcome == InstallOutcome::refused);
  CHECK(odd.code == EINVAL);
  CHECK(bench.userfault.map_present(bench.address(0) + 1, Mode::writable).outcome ==
        MapOutcome::refused);
  CHECK(bench.userfault.protect(bench.address(0) + 1).outcome == ProtectOutcome::refused);
  CHECK(bench.userfault.poison(bench.address(0) + 1).outcome == PoisonOutcome::refused);
  CHECK(bench.userfault.wake(bench.address(0) + 1).outcome == WakeOutcome::refused);
  CHECK(bench.userfault.copy(bench.address(0), nullptr, Mode::writable).outcome ==
        InstallOutcome::refused);
}

TEST_CASE("an unread event blocks every ioctl until it is read") {
  const Bench bench(needed_features | UFFD_FEATURE_EVENT_REMOVE);
  bench.userfault.zero_writable(bench.address(0));
  auto remover = on_thread(
      [&] { return ::madvise(bench.at(0), page_bytes, MADV_DONTNEED); });
  pollfd wanted{.fd = bench.userfault.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&wanted, 1, deadline_ms) == 1);
  const std::uint64_t address = bench.address(4);
  const auto blocked = bench.userfault.copy(address, filled_pages(1).data(), Mode::writable);
  CHECK(blocked.outcome == InstallOutcome::blocked_by_event);
  CHECK(blocked.page_count == 0);
  CHECK(bench.userfault.zero_writable(address).outcome == InstallOutcome::blocked_by_event);
  CHECK(bench.userfault.map_present(address, Mode::writable).outcome ==
        MapOutcome::blocked_by_event);
  CHECK(bench.userfault.protect(address).outcome == ProtectOutcome::blocked_by_event);
  CHECK(bench.userfault.poison(address).outcome == PoisonOutcome::blocked_by_event);
  const Fault event = next_fault(bench.userfault);
  CHECK(event.kind == FaultKind::other);
  CHECK(event.event == UFFD_EVENT_REMOVE);
  CHECK(value_of(remover) == 0);
  CHECK(bench.userfault.zero_writable(address).outcome == InstallOutcome::installed);
}

// A window of the daemon: the pages of one memory at two addresses of one client.
TEST_CASE("page ioctls hold at one address of a page that is mapped at two, dropping at both") {
  const Bench bench;
  const Region window = must(map_closed(bench.memory.fd(), elsewhere, bench_size_bytes, PageNo{0},
                                        Existing::refused));
  must(bench.userfault.register_range(window.address(), window.size_bytes()));
  must(window.open());
  const auto in_window = [&](unsigned page) { return window.data() + page * page_bytes; };
  REQUIRE(bench.userfault.copy(bench.address(3), filled_pages(5).data(), Mode::writable).outcome ==
          InstallOutcome::installed);

  auto reader = on_thread([&] { return *in_window(3); });
  const Fault minor = next_fault(bench.userfault);
  CHECK(minor.kind == FaultKind::minor);
  CHECK(minor.page_address() == window.address() + 3 * page_bytes);
  CHECK(bench.userfault.map_present(minor.page_address(), Mode::read_only).outcome ==
        MapOutcome::installed);
  CHECK(value_of(reader) == std::byte{5});

  bench.store(3, 6);  // writable at its own address still
  CHECK(*in_window(3) == std::byte{6});
  auto writer = on_thread([&] { *in_window(3) = std::byte{7}; });
  CHECK(next_fault(bench.userfault).kind == FaultKind::write_protect);
  CHECK(bench.userfault.protect(bench.address(3)).outcome == ProtectOutcome::done);
  CHECK(bench.userfault.unprotect(minor.page_address()).outcome == ProtectOutcome::done);
  value_of(writer);
  CHECK(bench.load(3) == 7);

  must(bench.memory.drop(PageNo{3}, 1));
  for (std::uint64_t address : {bench.address(3), minor.page_address()}) {
    auto again = on_thread([&] { return *reinterpret_cast<std::byte*>(address); });
    const Fault missing = next_fault(bench.userfault);
    CHECK(missing.kind == FaultKind::missing);
    CHECK(missing.page_address() == address);
    CHECK(bench.userfault.zero_writable(address).outcome == InstallOutcome::installed);
    CHECK(value_of(again) == std::byte{0});
    must(bench.memory.drop(PageNo{3}, 1));
  }
}
