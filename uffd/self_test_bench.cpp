#include "uffd/self_test_bench.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.hpp"

namespace gallocy::uffd::self_testing {
namespace {

void* run_touch(void* argument) {
  auto* touch = static_cast<Touch*>(argument);
  const ssize_t moved = touch->access == Access::read
                            ? ::pwrite(touch->scratch, touch->page, 1, 0)
                            : ::pread(touch->scratch, touch->page, 1, 0);
  touch->code = moved == 1 ? 0 : errno;
  [[maybe_unused]] const int told = ::eventfd_write(touch->done, 1);
  return nullptr;
}

}  // namespace

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Status expect(bool condition, const char* what) {
  if (condition) return {};
  return fail(EPROTO, what);
}

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
            .access = access, .done = done_.get()};
  const int code = ::pthread_create(&toucher_, nullptr, run_touch, &touch_);
  if (code != 0) return fail(code, "can't start a thread", remedy_of_no_process(code));
  touching_ = true;
  return {};
}

// The eventfd carries the deadline; the join after it is then only a matter of the thread's
// last steps.
Status Bench::join(int expected_code) {
  pollfd wanted{.fd = done_.get(), .events = POLLIN, .revents = 0};
  eventfd_t ignored = 0;
  if (::poll(&wanted, 1, remaining_ms()) != 1 || ::eventfd_read(done_.get(), &ignored) != 0)
    return fail(ETIMEDOUT, "the thread that touches the page was not released");
  ::pthread_join(toucher_, nullptr);
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

Status Bench::scratch_takes(char value) const {
  return expect(::pwrite(scratch_.get(), &value, 1, 0) == 1, "cannot write the scratch file");
}

Status Bench::scratch_holds(char value) const {
  char found = 0;
  if (::pread(scratch_.get(), &found, 1, 0) == 1 && found == value) return {};
  return fail(EPROTO, "the page's byte is ", static_cast<int>(found), ", expected ",
              static_cast<int>(value));
}

}  // namespace gallocy::uffd::self_testing
