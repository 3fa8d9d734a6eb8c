// Taking over what a client hands in, which may be anything.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "bench.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

bool mentions(const Error& error, std::string_view word) {
  return error.sentence.view().find(word) != std::string_view::npos;
}

}  // namespace

TEST_CASE("only a userfaultfd is adopted") {
  const auto file = UserFault::adopt(UniqueFd(::open("/dev/null", O_RDWR)));
  REQUIRE(!file);
  CHECK(file.error().code == EBADF);
  CHECK(mentions(file.error(), "/dev/null"));
  CHECK(UserFault::adopt(must(open_device())).error().code == EBADF);
  CHECK(!UserFault::adopt(UniqueFd{}));
}

TEST_CASE("a userfaultfd is adopted once") {
  UniqueFd fd = fresh_userfaultfd();
  UniqueFd duplicate(::dup(fd.get()));
  const UserFault first = must(UserFault::adopt(std::move(fd)));
  const auto second = UserFault::adopt(std::move(duplicate));
  REQUIRE(!second);
  CHECK(second.error().code == EBUSY);
  CHECK(mentions(second.error(), "initialised before"));
}

TEST_CASE("a feature that the kernel lacks is named") {
  const auto wanting = UserFault::adopt(fresh_userfaultfd(),
                                        needed_features | std::uint64_t{1} << 40);
  REQUIRE(!wanting);
  CHECK(wanting.error().code == EOPNOTSUPP);
  CHECK(mentions(wanting.error(), "lacks 0x10000000000;"));
}

TEST_CASE("adoption makes it non-blocking, and sees when that is undone") {
  UniqueFd fd = fresh_userfaultfd();
  REQUIRE(::fcntl(fd.get(), F_SETFL, 0) == 0);
  const UserFault userfault = must(UserFault::adopt(std::move(fd)));
  CHECK(userfault.nonblocking());
  CHECK(quiet(userfault));
  REQUIRE(::fcntl(userfault.fd(), F_SETFL, 0) == 0);
  CHECK(!userfault.nonblocking());
  // Whether it can read (6.10 and newer) or gives up, it does not wait.
  Fault fault;
  CHECK(userfault.read_faults({&fault, 1}).state != ReadState::faults);
}

TEST_CASE("only a mapped range that nobody else serves is registered") {
  const Bench bench;
  CHECK(bench.userfault.register_range(region_base + chunk_bytes, page_bytes).error().code ==
        EINVAL);
  CHECK(bench.userfault.register_range(region_base + 1, page_bytes).error().code == EINVAL);
  const UserFault other = must(UserFault::adopt(fresh_userfaultfd()));
  const Status taken = other.register_range(region_base, bench_size_bytes);
  REQUIRE(!taken);
  CHECK(taken.error().code == EBUSY);
  CHECK(mentions(taken.error(), "EBUSY"));
}

TEST_CASE("anonymous memory cannot be registered for minor faults") {
  const UserFault userfault = must(UserFault::adopt(fresh_userfaultfd()));
  void* start = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(start != MAP_FAILED);
  CHECK(!userfault.register_range(reinterpret_cast<std::uint64_t>(start), page_bytes));
  ::munmap(start, page_bytes);
}

TEST_CASE("an unregistered range is plain memory and its waiters go on") {
  const Bench bench;
  auto reader = on_thread([&] { return bench.load(2); });
  CHECK(next_fault(bench.userfault).kind == FaultKind::missing);
  must(bench.userfault.unregister_range(region_base, bench_size_bytes));
  CHECK(value_of(reader) == 0);
}
