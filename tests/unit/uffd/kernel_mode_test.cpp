// Faults taken inside system calls: the reason for the device, and what SIGSEGV cannot do.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "bench.hpp"
#include "child.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  UniqueFd out;
  UniqueFd in;
};

int errno_of(ssize_t result) { return result < 0 ? errno : 0; }

}  // namespace

TEST_CASE("write(2) from an absent page waits for its bytes") {
  const Bench bench;
  const Pipe pipe;
  auto writer = on_thread([&] { return ::write(pipe.in.get(), bench.at(0), page_bytes); });
  const Fault fault = next_fault(bench.userfault);
  CHECK(fault.kind == FaultKind::missing);
  CHECK(fault.access == Access::read);
  CHECK(bench.userfault.copy(bench.address(0), filled_pages(21).data(), Mode::read_only)
            .outcome == InstallOutcome::installed);
  CHECK(value_of(writer) == static_cast<ssize_t>(page_bytes));
  Page got(page_bytes);
  REQUIRE(::read(pipe.out.get(), got.data(), page_bytes) == static_cast<ssize_t>(page_bytes));
  CHECK(got == filled_pages(21));
}

TEST_CASE("read(2) into an absent page is a write fault and its bytes arrive") {
  const Bench bench;
  const Pipe pipe;
  REQUIRE(::write(pipe.in.get(), "abc", 3) == 3);
  auto reader = on_thread([&] { return ::read(pipe.out.get(), bench.at(1) + 10, 3); });
  const Fault fault = next_fault(bench.userfault);
  CHECK(fault.kind == FaultKind::missing);
  CHECK(fault.access == Access::write);
  CHECK(bench.userfault.zero_writable(bench.address(1)).outcome == InstallOutcome::installed);
  CHECK(value_of(reader) == 3);
  CHECK(std::memcmp(bench.at(1) + 10, "abc", 3) == 0);
}

TEST_CASE("read(2) into a protected page is a write-protect fault") {
  const Bench bench;
  const Pipe pipe;
  bench.userfault.copy(bench.address(2), filled_pages(1).data(), Mode::read_only);
  REQUIRE(::write(pipe.in.get(), "xyz", 3) == 3);
  auto reader = on_thread([&] { return ::read(pipe.out.get(), bench.at(2), 3); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::write_protect);
  CHECK(bench.userfault.unprotect(bench.address(2)).outcome == ProtectOutcome::done);
  CHECK(value_of(reader) == 3);
  CHECK(bench.load(2) == 'x');
}

TEST_CASE("one system call over several pages faults on each") {
  const Bench bench;
  const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
  auto writer = on_thread(
      [&] { return ::pwrite(file.get(), bench.at(4), 4 * page_bytes, 0); });
  for (unsigned page = 4; page < 8; ++page) {
    CHECK(next_fault(bench.userfault).page_address() == bench.address(page));
    bench.userfault.copy(bench.address(page), filled_pages(static_cast<unsigned char>(page)).data(),
                         Mode::read_only);
  }
  CHECK(value_of(writer) == static_cast<ssize_t>(4 * page_bytes));
  Page got(page_bytes);
  REQUIRE(::pread(file.get(), got.data(), page_bytes, 3 * page_bytes) > 0);
  CHECK(got == filled_pages(7));
}

TEST_CASE("a poisoned page is EFAULT to the kernel, without a fault message") {
  const Bench bench;
  const Pipe pipe;
  CHECK(bench.userfault.poison(bench.address(3)).outcome == PoisonOutcome::poisoned);
  auto writer = on_thread([&] { return errno_of(::write(pipe.in.get(), bench.at(3), 8)); });
  CHECK(value_of(writer) == EFAULT);
  CHECK(quiet(bench.userfault));
}

TEST_CASE("poison ends the wait of a parked system call") {
  const Bench bench;
  const Pipe pipe;
  auto writer = on_thread([&] { return errno_of(::write(pipe.in.get(), bench.at(3), 8)); });
  next_fault(bench.userfault);
  CHECK(bench.userfault.poison(bench.address(3)).outcome == PoisonOutcome::poisoned);
  CHECK(value_of(writer) == EFAULT);
}

TEST_CASE("unmapping leaves a parked thread parked, until a wake") {
  Bench bench;
  const Pipe pipe;
  std::byte* start = bench.at(3);
  auto writer = on_thread([&] { return errno_of(::write(pipe.in.get(), start, 8)); });
  next_fault(bench.userfault);
  bench.region.unmap();
  CHECK(parked(writer));
  CHECK(bench.userfault.wake(region_base, bench_page_count).outcome == WakeOutcome::done);
  CHECK(value_of(writer) == EFAULT);
}

TEST_CASE("a poisoned page is SIGBUS to user code") {
  const int status = status_of_child([] {
    const Bench bench;
    bench.userfault.poison(bench.address(0));
    return static_cast<int>(bench.load(0));
  });
  CHECK_MESSAGE(killed_by(status, SIGBUS), "wait status ", status);
}
