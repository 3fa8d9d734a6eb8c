#include <sys/eventfd.h>
#include <sys/mman.h>

#include <utility>

#include "uffd/probe.hpp"
#include "uffd/self_test_bench.hpp"

namespace gallocy::uffd {
namespace self_testing {
namespace {

// A step is a list of things that must hold; the first that does not ends it.
template <class... Checks>
Status in_turn(Checks... checks) {
  Status status;
  ((status = checks(), status.has_value()) && ...);
  return status;
}

}  // namespace

Status Bench::read_inside_system_call() {
  std::byte page[page_bytes]{std::byte{'a'}};
  return in_turn(
      [&] { return raises(0, Access::read, FaultKind::missing); },
      [&] {
        const auto result = userfault_.copy(address(0), page, Mode::read_only);
        return expect(result.outcome == InstallOutcome::installed, "UFFDIO_COPY refused");
      },
      [&] { return join(0); }, [&] { return scratch_holds('a'); });
}

Status Bench::write_protection() {
  return in_turn([&] { return scratch_takes('b'); },
                 [&] { return raises(0, Access::write, FaultKind::write_protect); },
                 [&] {
                   const auto result = userfault_.unprotect(address(0));
                   return expect(result.outcome == ProtectOutcome::done, "unprotect refused");
                 },
                 [&] { return join(0); },
                 [&] { return expect(*frame(0) == std::byte{'b'}, "a written byte is lost"); });
}

Status Bench::take_away() {
  return in_turn(
      [&] {
        const auto result = userfault_.protect(address(0));
        return expect(result.outcome == ProtectOutcome::done, "protect refused");
      },
      [&] { return expect(*frame(0) == std::byte{'b'}, "a protected page lost its bytes"); },
      [&] { return memory_.drop(PageNo{0}, 1); },
      [&] { return raises(0, Access::read, FaultKind::missing); });
}

// Starts with a reader parked on page 0. Maps without waking, finds the page mapped, and only
// the wake lets the reader go: what a pager does for a fault it has seen twice.
Status Bench::map_and_wake() {
  *frame(0) = std::byte{'c'};
  return in_turn(
      [&] {
        const auto result =
            userfault_.map_present(address(0), Mode::read_only, 1, Wake::later);
        return expect(result.outcome == MapOutcome::installed, "UFFDIO_CONTINUE refused");
      },
      [&] {
        const auto again = userfault_.map_present(address(0), Mode::read_only);
        return expect(again.outcome == MapOutcome::already_present,
                      "UFFDIO_CONTINUE on a mapped page is not EEXIST");
      },
      [&] {
        return expect(userfault_.wake(address(0)).outcome == WakeOutcome::done, "wake refused");
      },
      [&] { return join(0); }, [&] { return scratch_holds('c'); });
}

Status Bench::zero_pages() {
  return in_turn(
      [&] {
        const auto result = userfault_.zero_writable(address(1));
        return expect(result.outcome == InstallOutcome::installed, "UFFDIO_ZEROPAGE refused");
      },
      [&] { return passes(1, Access::write); },
      [&] {
        const auto result = userfault_.zero_read_only(address(2));
        return expect(result.outcome == InstallOutcome::installed, "zero copy refused");
      },
      [&] { return passes(2, Access::read); },
      [&] { return scratch_holds(0); },
      [&] { return raises(2, Access::write, FaultKind::write_protect); },
      [&] {
        const auto result = userfault_.unprotect(address(2));
        return expect(result.outcome == ProtectOutcome::done, "unprotect refused");
      },
      [&] { return join(0); });
}

Status Bench::poisoned_page() {
  return in_turn(
      [&] { return raises(3, Access::read, FaultKind::missing); },
      [&] {
        const auto result = userfault_.poison(address(3));
        return expect(result.outcome == PoisonOutcome::poisoned, "UFFDIO_POISON refused");
      },
      [&] { return join(EFAULT); }, [&] { return passes(3, Access::write, EFAULT); });
}

}  // namespace self_testing

namespace {

using self_testing::Bench;

constexpr std::uint64_t test_page_count = 4;
// Beyond any job's region and below where programs are loaded; the sanitizers, which refuse
// most fixed addresses, allow it.
constexpr std::uint64_t test_address = region_base + 0x50'0000'0000;

struct Step {
  const char* name;
  Status (Bench::*run)();
};

constexpr Step steps[] = {
    {"read inside a system call", &Bench::read_inside_system_call},
    {"write protection", &Bench::write_protection},
    {"take away", &Bench::take_away},
    {"map and wake", &Bench::map_and_wake},
    {"zero pages", &Bench::zero_pages},
    {"poisoned page", &Bench::poisoned_page},
};

Result<UserFault> make_userfault() {
  return open_device()
      .and_then([](UniqueFd device) { return create_from_device(device.get()); })
      .and_then([](UniqueFd fd) { return UserFault::adopt(std::move(fd)); });
}

Status run_steps(Bench& bench) {
  for (const Step& step : steps) {
    const Status status = (bench.*step.run)();
    if (!status)
      return fail(status.error().code, "userfaultfd self-test, step \"", step.name,
                  "\": ", status.error().sentence.view());
  }
  return {};
}

}  // namespace

Status self_test(unsigned deadline_ms) {
  const std::int64_t deadline_ns = self_testing::now_ns() + std::int64_t{deadline_ms} * 1'000'000;
  Result<UserFault> userfault = make_userfault();
  if (!userfault) return tl::unexpected<Error>(userfault.error());
  constexpr std::uint64_t size_bytes = test_page_count * page_bytes;
  Result<PageMemory> memory = PageMemory::create("gallocy-self-test", size_bytes);
  if (!memory) return tl::unexpected<Error>(memory.error());
  Result<Region> region = map_region(memory->fd(), test_address, size_bytes);
  if (!region) return tl::unexpected<Error>(region.error());
  UniqueFd scratch(::memfd_create("gallocy-self-test-scratch", MFD_CLOEXEC));
  UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  if (!scratch || !done) return fail_errno("cannot make the self-test's own files");
  if (Status status = userfault->register_range(test_address, size_bytes); !status)
    return status;
  Bench bench(std::move(*memory), std::move(*region), std::move(*userfault),
              std::move(scratch), std::move(done), deadline_ns);
  return run_steps(bench);
}

}  // namespace gallocy::uffd
