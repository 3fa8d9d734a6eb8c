// What needs no kernel: decoding of messages, translation of errno, verdicts on a machine.
#include <doctest/doctest.h>
#include <errno.h>

#include "uffd/fault.hpp"
#include "uffd/features.hpp"
#include "uffd/outcome.hpp"
#include "uffd/probe.hpp"

using namespace gallocy;
using namespace gallocy::uffd;

namespace {

Fault fault_with(std::uint64_t flags) {
  uffd_msg message{};
  message.event = UFFD_EVENT_PAGEFAULT;
  message.arg.pagefault.flags = flags;
  message.arg.pagefault.address = 0x5500'0000'1234;
  message.arg.pagefault.feat.ptid = 77;
  return decode_fault(message);
}

bool mentions(const Sentence& sentence, std::string_view word) {
  return sentence.view().find(word) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a fault's flags say its kind and access") {
  CHECK(fault_with(0).kind == FaultKind::missing);
  CHECK(fault_with(0).access == Access::read);
  CHECK(fault_with(1).kind == FaultKind::missing);
  CHECK(fault_with(1).access == Access::write);
  CHECK(fault_with(4).kind == FaultKind::minor);
  CHECK(fault_with(4).access == Access::read);
  CHECK(fault_with(5).kind == FaultKind::minor);
  CHECK(fault_with(5).access == Access::write);
  CHECK(fault_with(3).kind == FaultKind::write_protect);
  CHECK(fault_with(3).access == Access::write);
}

TEST_CASE("a fault has its exact address, its page and its thread") {
  const Fault fault = fault_with(0);
  CHECK(fault.address == 0x5500'0000'1234);
  CHECK(fault.page_address() == 0x5500'0000'1000);
  CHECK(fault.thread == 77);
}

TEST_CASE("what is not a page fault is other") {
  for (const int event : {UFFD_EVENT_FORK, UFFD_EVENT_REMAP, UFFD_EVENT_REMOVE,
                          UFFD_EVENT_UNMAP}) {
    uffd_msg message{};
    message.event = static_cast<__u8>(event);
    CHECK(decode_fault(message).kind == FaultKind::other);
    CHECK(decode_fault(message).event == event);
  }
}

TEST_CASE("errno becomes an outcome of each ioctl") {
  CHECK(install_outcome(0) == InstallOutcome::installed);
  CHECK(install_outcome(EEXIST) == InstallOutcome::already_present);
  CHECK(install_outcome(EAGAIN) == InstallOutcome::blocked_by_event);
  CHECK(install_outcome(ENOENT) == InstallOutcome::unmapped);
  CHECK(install_outcome(ESRCH) == InstallOutcome::process_gone);
  CHECK(install_outcome(ENOMEM) == InstallOutcome::out_of_memory);
  CHECK(install_outcome(ENOSPC) == InstallOutcome::out_of_memory);
  CHECK(install_outcome(EFAULT) == InstallOutcome::refused);
  CHECK(map_outcome(0) == MapOutcome::installed);
  CHECK(map_outcome(EFAULT) == MapOutcome::absent);
  CHECK(map_outcome(EEXIST) == MapOutcome::already_present);
  CHECK(map_outcome(ESRCH) == MapOutcome::process_gone);
  CHECK(protect_outcome(0) == ProtectOutcome::done);
  CHECK(protect_outcome(ENOENT) == ProtectOutcome::unmapped);
  CHECK(protect_outcome(EEXIST) == ProtectOutcome::refused);
  CHECK(poison_outcome(0) == PoisonOutcome::poisoned);
  CHECK(poison_outcome(EEXIST) == PoisonOutcome::already_present);
  CHECK(poison_outcome(ENOMEM) == PoisonOutcome::out_of_memory);
  CHECK(wake_outcome(0) == WakeOutcome::done);
  CHECK(wake_outcome(EINVAL) == WakeOutcome::refused);
}

TEST_CASE("outcomes have names") {
  CHECK(name_of(InstallOutcome::already_present) == "already_present");
  CHECK(name_of(MapOutcome::absent) == "absent");
  CHECK(name_of(ProtectOutcome::blocked_by_event) == "blocked_by_event");
  CHECK(name_of(PoisonOutcome::poisoned) == "poisoned");
  CHECK(name_of(WakeOutcome::refused) == "refused");
}

TEST_CASE("features have names, unknown ones a number") {
  CHECK(feature_names(UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_POISON).view() ==
        "MINOR_SHMEM, POISON");
  CHECK(feature_names(std::uint64_t{1} << 40).view() == "0x10000000000");
  CHECK(feature_names(0).empty());
}

TEST_CASE("a release is parsed whatever follows it") {
  CHECK(parse_release("6.12.0-rc1-amd64").kernel_major == 6);
  CHECK(parse_release("6.12.0-rc1-amd64").kernel_minor == 12);
  CHECK(parse_release("7.3").kernel_minor == 3);
  CHECK(parse_release("nonsense").kernel_major == 0);
}

TEST_CASE("one sentence names everything that an old kernel lacks") {
  const Status old = check_capabilities(
      {.kernel_major = 6, .kernel_minor = 1, .features = needed_features & ~UFFD_FEATURE_POISON});
  REQUIRE(!old);
  CHECK(old.error().code == EOPNOTSUPP);
  CHECK(mentions(old.error().sentence, "kernel 6.1 is too old and userfaultfd lacks POISON"));
  CHECK(mentions(old.error().sentence, "6.6 or newer"));
  const Status none = check_capabilities({.kernel_major = 5, .kernel_minor = 19, .features = 0});
  REQUIRE(!none);
  CHECK(mentions(none.error().sentence, "CONFIG_USERFAULTFD"));  // nothing was cut off
  CHECK(check_capabilities({.kernel_major = 6, .kernel_minor = 6, .features = needed_features}));
  CHECK(check_capabilities({.kernel_major = 7, .kernel_minor = 0, .features = needed_features}));
}
