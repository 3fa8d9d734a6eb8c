#include "run/memory.hpp"

#include <doctest/doctest.h>

using namespace gallocy;
using namespace gallocy::run;

TEST_CASE("daemons that together may use more than there is are warned of") {
  constexpr std::uint64_t mib = 1 << 20;
  const MemoryLimit ram{1000 * mib, {}};
  CHECK(more_than_usable(500 * mib, 2, ram).empty());
  CHECK(more_than_usable(1000 * mib, 1, ram).empty());
  CHECK(more_than_usable(501 * mib, 2, ram) ==
        "warning: 2 nodes of 501 MiB may take more than the 1000 MiB that this machine has; if the "
        "job fills that, the kernel kills it: give a smaller --memory");
  const MemoryLimit group{100 * mib, "/sys/fs/cgroup/a/memory.max"};
  CHECK(more_than_usable(200 * mib, 1, group) ==
        "warning: 1 node of 200 MiB may take more than the 100 MiB that its control group may have "
        "(/sys/fs/cgroup/a/memory.max); if the job fills that, the kernel kills it: give a smaller "
        "--memory");
  CHECK(!more_than_usable(~std::uint64_t{0}, 64, ram).empty());
}
