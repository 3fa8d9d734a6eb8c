// The probe and the self-test on the machine at hand.
#include "bench.hpp"
#include "uffd/probe.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

TEST_CASE("the probe finds what is needed") {
  const Capabilities found = must(probe());
  CHECK(found.kernel_major >= 6);
  CHECK((found.features & needed_features) == needed_features);
}

TEST_CASE("the self-test passes, again and again") {
  for (int i = 0; i < 20; ++i) must(self_test());
}

TEST_CASE("the self-test ends at its deadline, names the step and leaves nothing behind") {
  const Status late = self_test(0);
  REQUIRE(!late);
  CHECK(late.error().code == ETIMEDOUT);
  CHECK(late.error().sentence.view().find("\"read inside a system call\"") !=
        std::string_view::npos);
  must(self_test());
}

TEST_CASE("an occupied address is an error, not a crash") {
  const PageMemory memory = must(PageMemory::create("pages", page_bytes));
  const Region region = must(map_region(memory.fd(), region_base + 0x50'0000'0000, page_bytes));
  CHECK(self_test().error().code == EEXIST);
}
