// Pages in the address space of a client, which is this process. What a client cannot have ends
// its access, whatever is left at that address of the pages that were there before.
#include "daemon/pages.hpp"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/uffd/bench.hpp"

using namespace gallocy;
using namespace gallocy::daemon;
using uffd::testing::must;

namespace {

constexpr PageNo page{3};

struct Client {
  Client()
      : pages(must(Pages::create(JobId{1}, chunk_bytes, 2))),
        region(must(uffd::map_region(pages.fd(), region_base, chunk_bytes))),
        userfault(must(uffd::UserFault::adopt(uffd::testing::fresh_userfaultfd()))),
        windows(chunk_bytes), zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC)) {
    must(userfault.register_range(region.address(), region.size_bytes()));
  }

  ClientView view() const { return {userfault, windows}; }

  // By the kernel, to which a poisoned page is an error and not a signal.
  int errno_of_a_write() const {
    void* const start = region.data() + raw(page) * page_bytes;
    return ::read(zeros.get(), start, 8) == 8 ? 0 : errno;
  }

  void install(core::Access access, core::Source source = core::Source::zero) {
    CHECK(pages.install(view(), {ClientId{}, page, access, source}, {}) == Pages::Outcome::done);
  }
  void protect() { CHECK(pages.protect(view(), page) == Pages::Outcome::done); }
  void poison() { CHECK(pages.poison(view(), page) == Pages::Outcome::done); }

  Pages pages;
  uffd::Region region;
  uffd::UserFault userfault;
  Windows windows;
  UniqueFd zeros;
};

// A thread waits for the page, and is told that there is none.
void refuse(Client& client) {
  auto writer = uffd::testing::on_thread([&] { return client.errno_of_a_write(); });
  CHECK(uffd::testing::next_fault(client.userfault).page_address() ==
        client.view().address_of(page));
  client.poison();
  CHECK(uffd::testing::value_of(writer) == EFAULT);
  CHECK(uffd::testing::quiet(client.userfault));
  CHECK(client.errno_of_a_write() == EFAULT);
  CHECK(uffd::testing::quiet(client.userfault));
}

}  // namespace

TEST_CASE("a page that was never there is refused") {
  Client client;
  refuse(client);
}

TEST_CASE("a page is refused whose copy for reading was dropped") {
  Client client;
  client.install(core::Access::read);
  client.pages.drop(page);
  refuse(client);
}

TEST_CASE("a page is refused that was protected and given away") {
  Client client;
  client.install(core::Access::write);
  client.protect();
  client.pages.drop(page);
  refuse(client);
}

TEST_CASE("a page is refused that another client of the node had, and this one never") {
  Client client;
  client.protect();
  refuse(client);
}

TEST_CASE("a page is refused that is there though the node has none") {
  Client client;
  client.pages.store(page, uffd::testing::filled_pages(7));
  client.install(core::Access::read, core::Source::present);
  auto writer = uffd::testing::on_thread([&] { return client.errno_of_a_write(); });
  CHECK(uffd::testing::next_fault(client.userfault).kind == uffd::FaultKind::write_protect);
  client.poison();
  CHECK(uffd::testing::value_of(writer) == EFAULT);
  CHECK(uffd::testing::quiet(client.userfault));
}

TEST_CASE("what was refused is refused again, and is there when it is installed") {
  Client client;
  client.install(core::Access::read);
  client.pages.drop(page);
  client.poison();
  client.poison();
  CHECK(client.errno_of_a_write() == EFAULT);
  client.install(core::Access::write);
  CHECK(client.errno_of_a_write() == 0);
  CHECK(uffd::testing::quiet(client.userfault));
}
