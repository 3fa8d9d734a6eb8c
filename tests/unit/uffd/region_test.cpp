// The client's part: the mapping and the device.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "bench.hpp"
#include "child.hpp"
#include "smaps.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

bool mentions(const Error& error, std::string_view word) {
  return error.sentence.view().find(word) != std::string_view::npos;
}

}  // namespace

TEST_CASE("the region lies where it was asked for and shows the page memory") {
  const PageMemory memory = must(PageMemory::create("pages", 8 * page_bytes));
  *memory.frame(PageNo{5}) = std::byte{9};
  const Region region = must(map_region(memory.fd(), region_base, 4 * page_bytes, PageNo{4}));
  CHECK(region.address() == region_base);
  CHECK(region.data()[page_bytes] == std::byte{9});
  region.data()[0] = std::byte{8};
  CHECK(*memory.frame(PageNo{4}) == std::byte{8});
}

TEST_CASE("an occupied range is refused and left alone") {
  const PageMemory memory = must(PageMemory::create("pages", 8 * page_bytes));
  const Region region = must(map_region(memory.fd(), region_base, 4 * page_bytes));
  region.data()[0] = std::byte{3};
  const auto second = map_region(memory.fd(), region_base + page_bytes, page_bytes);
  REQUIRE(!second);
  CHECK(second.error().code == EEXIST);
  CHECK(mentions(second.error(), "EEXIST"));
  CHECK(mentions(second.error(), "0x550000001000"));
  CHECK(region.data()[0] == std::byte{3});
}

TEST_CASE("unmap frees the range, once, and release keeps it") {
  const PageMemory memory = must(PageMemory::create("pages", 4 * page_bytes));
  Region region = must(map_region(memory.fd(), region_base, page_bytes));
  region.unmap();
  region.unmap();
  Region again = must(map_region(memory.fd(), region_base, page_bytes));
  Region moved = std::move(again);
  moved.release();
  CHECK(map_region(memory.fd(), region_base, page_bytes).error().code == EEXIST);
  REQUIRE(::munmap(reinterpret_cast<void*>(region_base), page_bytes) == 0);
}

TEST_CASE("the region stays out of children and core dumps") {
  const Bench bench;
  CHECK(has_vm_flag(bench.region.address(), "dc"));
  CHECK(has_vm_flag(bench.region.address(), "dd"));
}

TEST_CASE("a closed mapping replaces what lies there and is inaccessible until it is opened") {
  const PageMemory memory = must(PageMemory::create("pages", 4 * page_bytes));
  *memory.frame(PageNo{2}) = std::byte{7};
  Region old = must(map_region(memory.fd(), region_base, 2 * page_bytes));
  old.release();
  const auto refused =
      map_closed(memory.fd(), region_base, 2 * page_bytes, PageNo{2}, Existing::refused);
  CHECK(refused.error().code == EEXIST);
  const Region region = must(
      map_closed(memory.fd(), region_base, 2 * page_bytes, PageNo{2}, Existing::replaced));
  CHECK(has_vm_flag(region.address(), "dc"));
  CHECK(has_vm_flag(region.address(), "dd"));
  CHECK(!has_vm_flag(region.address(), "rd"));
  must(region.open());
  CHECK(has_vm_flag(region.address(), "rd"));
  CHECK(has_vm_flag(region.address(), "wr"));
  CHECK(region.data()[0] == std::byte{7});
}

TEST_CASE("a plain child that touches the region dies loudly") {
  const Bench bench;
  bench.userfault.zero_writable(bench.address(0));
  CHECK(bench.load(0) == 0);
  CHECK(killed_by(status_of_child([&] { return static_cast<int>(bench.load(0)); }), SIGSEGV));
  CHECK(quiet(bench.userfault));
}

TEST_CASE("without the device the sentence says what to do") {
  const Result<UniqueFd> device = open_device("/dev/no-such-device");
  REQUIRE(!device);
  CHECK(device.error().code == ENOENT);
  CHECK(mentions(device.error(), "ENOENT"));
  CHECK(mentions(device.error(), "CONFIG_USERFAULTFD"));
  CHECK(mentions(device.error(), "--device /dev/userfaultfd"));
}

TEST_CASE("a userfaultfd from the device is close-on-exec and non-blocking") {
  const UniqueFd fd = fresh_userfaultfd();
  CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
  const UniqueFd null(::open("/dev/null", O_RDWR));
  CHECK(create_from_device(null.get()).error().code == ENOTTY);
}
