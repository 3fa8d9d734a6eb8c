#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include <utility>

#include "base/check.hpp"
#include "uffd/memory.hpp"
#include "uffd/probe.hpp"
#include "uffd/region.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::uffd {
namespace {

constexpr std::uint64_t test_page_count = 4;
constexpr std::uint64_t test_address = region_base - chunk_bytes;  // where nothing else lies

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// One byte moved by the kernel between a scratch file and a page. Never by a load or store:
// those would end in a signal where a system call returns EFAULT, and a fault in kernel mode is
// what we must be able to serve.
struct Touch {
  int scratch = -1;
  std::byte* page = nullptr;
  Access access = Access::read;
  int code = 0;  // errno, once joined
};

void* run_touch(void* argument) {
  auto* touch = static_cast<Touch*>(argument);
  const ssize_t moved = touch->access == Access::read
                            ? ::pwrite(touch->scratch, touch->page, 1, 0)
                            : ::pread(touch->scratch, touch->page, 1, 0);
  touch->code = moved == 1 ? 0 : errno;
  return nullptr;
}

Status expect(bool condition, const char* what) {
  if (condition) return {};
  return fail(EPROTO, what);
}

class Bench {
 public:
  Bench(PageMemory memory, Region region, UserFault userfault, UniqueFd scratch,
        std::int64_t deadline_ns)
      : memory_(std::move(memory)),
        region_(std::move(region)),
        userfault_(std::move(userfault)),
        scratch_(std::move(scratch)),
        deadline_ns_(deadline_ns) {}
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { free_toucher(); }

  // The steps, in order: each starts from what the one before has left.
  Status read_inside_system_call();
  Status write_protection();
  Status take_away();
  Status map_and_wake();
  Status zero_pages();
  Status poisoned_page();

 private:
  std::uint64_t address(unsigned page) const { return region_.address() + page * page_bytes; }
  std::byte* frame(unsigned page) const { return memory_.frame(PageNo{page}); }
  int remaining_ms() const;
  void free_toucher();

  Status start(unsigned page, Access access);
  Status join(int expected_code);
  Status next_fault(Fault& fault) const;
  Status raises(unsigned page, Access access, FaultKind kind);  // start, then the fault
  Status passes(unsigned page, Access access, int expected_code = 0);  // start, then join

  PageMemory memory_;
  Region region_;
  UserFault userfault_;
  UniqueFd scratch_;
  std::int64_t deadline_ns_;
  Touch touch_;
  pthread_t toucher_{};
  bool touching_ = false;
};

int Bench::remaining_ms() const {
  const std::int64_t rest_ns = deadline_ns_ - now_ns();
  return rest_ns > 0 ? static_cast<int>(rest_ns / 1'000'000) : 0;
}

// A thread parked in a fault cannot be joined. Without its registration the range is plain
// memory and the thread goes on, so this join is the one wait that needs no deadline.
void Bench::free_toucher() {
  if (!touching_) return;
  const Status status = userfault_.unregister_range(region_.address(), region_.size_bytes());
  GALLOCY_CHECK(status.has_value(), GALLOCY_VALUE(region_.address()));
  ::pthread_join(toucher_, nullptr);
}

Status Bench::start(unsigned page, Access access) {
  touch_ = {.scratch = scratch_.get(), .page = region_.data() + page * page_bytes,
            .access = access};
  const int code = ::pthread_create(&toucher_, nullptr, run_touch, &touch_);
  if (code != 0) return fail(code, "cannot make a thread");
  touching_ = true;
  return {};
}

Status Bench::join(int expected_code) {
  const std::int64_t seconds = deadline_ns_ / 1'000'000'000;
  const timespec deadline{.tv_sec = seconds,
                          .tv_nsec = deadline_ns_ - seconds * 1'000'000'000};
  if (::pthread_clockjoin_np(toucher_, nullptr, CLOCK_MONOTONIC, &deadline) != 0)
    return fail(ETIMEDOUT, "the thread that touches the page was not released");
  touching_ = false;
  if (touch_.code == expected_code) return {};
  return fail(EPROTO, "touching the page gave errno ", touch_.code, ", expected ",
              expected_code);
}

Status Bench::next_fault(Fault& fault) const {
  pollfd wanted{.fd = userfault_.fd(), .events = POLLIN, .revents = 0};
  if (::poll(&wanted, 1, remaining_ms()) != 1) return fail(ETIMEDOUT, "no fault was reported");
  const ReadOutcome outcome = userfault_.read_faults({&fault, 1});
  return expect(outcome.state == ReadState::faults, "the fault could not be read");
}

Status Bench::raises(unsigned page, Access access, FaultKind kind) {
  if (Status status = start(page, access); !status) return status;
  Fault fault;
  if (Status status = next_fault(fault); !status) return status;
  if (fault.page_address() == address(page) && fault.kind == kind && fault.access == access)
    return {};
  return fail(EPROTO, "expected a ", name_of(kind), " fault by ", name_of(access), " at ",
              Hex{address(page)}, ", got ", name_of(fault.kind), " by ",
              name_of(fault.access), " at ", Hex{fault.address});
}

Status Bench::passes(unsigned page, Access access, int expected_code) {
  if (Status status = start(page, access); !status) return status;
  return join(expected_code);
}

Status set_scratch(int scratch, char value) {
  return expect(::pwrite(scratch, &value, 1, 0) == 1, "cannot write the scratch file");
}

Status scratch_holds(int scratch, char value) {
  char found = 0;
  if (::pread(scratch, &found, 1, 0) == 1 && found == value) return {};
  return fail(EPROTO, "the page's byte is ", static_cast<int>(found), ", expected ",
              static_cast<int>(value));
}

// A step is a list of things that must hold; the first that does not ends it.
template <class... Checks>
Status in_turn(Checks... checks) {
  Status status;
  ((status = checks(), status.has_value()) && ...);
  return status;
}

Status Bench::read_inside_system_call() {
  std::byte page[page_bytes]{std::byte{'a'}};
  return in_turn(
      [&] { return raises(0, Access::read, FaultKind::missing); },
      [&] {
        const auto result = userfault_.copy(address(0), page, Mode::read_only);
        return expect(result.outcome == InstallOutcome::installed, "UFFDIO_COPY refused");
      },
      [&] { return join(0); }, [&] { return scratch_holds(scratch_.get(), 'a'); });
}

Status Bench::write_protection() {
  return in_turn([&] { return set_scratch(scratch_.get(), 'b'); },
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
      [&] { return join(0); }, [&] { return scratch_holds(scratch_.get(), 'c'); });
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
      [&] { return scratch_holds(scratch_.get(), 0); },
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
  const std::int64_t deadline_ns = now_ns() + std::int64_t{deadline_ms} * 1'000'000;
  Result<UserFault> userfault = make_userfault();
  if (!userfault) return tl::unexpected<Error>(userfault.error());
  constexpr std::uint64_t size_bytes = test_page_count * page_bytes;
  Result<PageMemory> memory = PageMemory::create("gallocy-self-test", size_bytes);
  if (!memory) return tl::unexpected<Error>(memory.error());
  Result<Region> region = map_region(memory->fd(), test_address, size_bytes);
  if (!region) return tl::unexpected<Error>(region.error());
  UniqueFd scratch(::memfd_create("gallocy-self-test-scratch", MFD_CLOEXEC));
  if (!scratch) return fail_errno("cannot make a scratch file for the self-test");
  if (Status status = userfault->register_range(test_address, size_bytes); !status)
    return status;
  Bench bench(std::move(*memory), std::move(*region), std::move(*userfault),
              std::move(scratch), deadline_ns);
  return run_steps(bench);
}

}  // namespace gallocy::uffd
