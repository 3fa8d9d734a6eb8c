// Page memory: sealed, sparse, and dropped for every view at once.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bench.hpp"
#include "smaps.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

std::uint64_t allocated_bytes(int fd) {
  struct stat info {};
  REQUIRE(::fstat(fd, &info) == 0);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

}  // namespace

TEST_CASE("a client cannot change the size of the page memory, nor its seals") {
  const PageMemory memory = must(PageMemory::create("pages", 4 * page_bytes));
  CHECK(::ftruncate(memory.fd(), page_bytes) == -1);
  CHECK(errno == EPERM);
  CHECK(::ftruncate(memory.fd(), 8 * page_bytes) == -1);
  CHECK(errno == EPERM);
  CHECK(::fcntl(memory.fd(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
  CHECK(errno == EPERM);
  CHECK((::fcntl(memory.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a bad size is refused") {
  CHECK(PageMemory::create("pages", 0).error().code == EINVAL);
  CHECK(PageMemory::create("pages", page_bytes + 1).error().code == EINVAL);
}

TEST_CASE("64 GiB cost nothing until a frame is touched") {
  const PageMemory memory = must(PageMemory::create("pages", std::uint64_t{64} << 30));
  CHECK(allocated_bytes(memory.fd()) == 0);
  *memory.frame(PageNo{memory.page_count() - 1}) = std::byte{1};
  CHECK(allocated_bytes(memory.fd()) < chunk_bytes * 2);
  CHECK(memory.frame(PageNo{3}) - memory.frame(PageNo{0}) == 3 * page_bytes);
}

TEST_CASE("dropped frames read as zeros and their neighbours stay") {
  const PageMemory memory = must(PageMemory::create("pages", 4 * page_bytes));
  for (unsigned page = 0; page < 4; ++page)
    *memory.frame(PageNo{page}) = std::byte{7};
  must(memory.drop(PageNo{1}, 2));
  CHECK(allocated_bytes(memory.fd()) == 2 * page_bytes);
  CHECK(*memory.frame(PageNo{0}) == std::byte{7});
  CHECK(*memory.frame(PageNo{1}) == std::byte{0});
  CHECK(*memory.frame(PageNo{2}) == std::byte{0});
  CHECK(*memory.frame(PageNo{3}) == std::byte{7});
  must(memory.drop(PageNo{4}, 0));
}

TEST_CASE("the alias stays out of children and core dumps") {
  const PageMemory memory = must(PageMemory::create("pages", 4 * page_bytes));
  const auto address = reinterpret_cast<std::uint64_t>(memory.frame(PageNo{0}));
  CHECK(has_vm_flag(address, "dc"));
  CHECK(has_vm_flag(address, "dd"));
}

TEST_CASE("moving leaves one owner") {
  PageMemory first = must(PageMemory::create("pages", page_bytes));
  *first.frame(PageNo{0}) = std::byte{5};
  PageMemory second = std::move(first);
  CHECK(first.size_bytes() == 0);
  CHECK(*second.frame(PageNo{0}) == std::byte{5});
  second = must(PageMemory::create("pages", 2 * page_bytes));
  CHECK(second.page_count() == 2);
  CHECK(*second.frame(PageNo{0}) == std::byte{0});
}
