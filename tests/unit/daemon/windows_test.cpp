#include "daemon/windows.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <random>

using namespace gallocy;
using namespace gallocy::daemon;

namespace {

constexpr std::uint64_t region_pages = 4 * pages_per_chunk;
constexpr std::uint64_t region_bytes = region_pages * page_bytes;
constexpr std::uint64_t program = 0x40'0000;

constexpr ipc::Window window_of(std::uint64_t address, std::uint64_t page_count,
                                std::uint64_t first_page) {
  return {address, page_count * page_bytes, region_base + first_page * page_bytes};
}

int add(Windows& windows, const ipc::Window& window) {
  const int code = windows.check(window);
  if (code == 0) windows.add(window);
  return code;
}

}  // namespace

TEST_CASE("without windows a page is at its own address, and nothing is outside the region") {
  const Windows windows(region_bytes);
  CHECK(windows.address_of(PageNo{0}) == region_base);
  CHECK(windows.address_of(PageNo{7}) == region_base + 7 * page_bytes);
  CHECK(windows.page_at(region_base + 7 * page_bytes + 5) == PageNo{7});
  CHECK(windows.page_at(region_base + region_bytes - 1) == PageNo{region_pages - 1});
  CHECK(!windows.page_at(region_base - 1));
  CHECK(!windows.page_at(region_base + region_bytes));
  CHECK(!windows.page_at(0));
  CHECK(!windows.page_at(~std::uint64_t{0}));
}

TEST_CASE("a window shows its pages and no others") {
  Windows windows(region_bytes);
  REQUIRE(add(windows, window_of(program, 3, 100)) == 0);
  CHECK(windows.address_of(PageNo{99}) == region_base + 99 * page_bytes);
  CHECK(windows.address_of(PageNo{100}) == program);
  CHECK(windows.address_of(PageNo{102}) == program + 2 * page_bytes);
  CHECK(windows.address_of(PageNo{103}) == region_base + 103 * page_bytes);
  CHECK(!windows.page_at(program - 1));
  CHECK(windows.page_at(program) == PageNo{100});
  CHECK(windows.page_at(program + 3 * page_bytes - 1) == PageNo{102});
  CHECK(!windows.page_at(program + 3 * page_bytes));
  // Of a fault that was queued before.
  CHECK(windows.page_at(region_base + 101 * page_bytes) == PageNo{101});
}

TEST_CASE("windows side by side, below and above the region, in any order of pages") {
  Windows windows(region_bytes);
  const std::uint64_t above = 0x7fff'0000'0000;
  REQUIRE(add(windows, window_of(program + 2 * page_bytes, 2, 10)) == 0);
  REQUIRE(add(windows, window_of(program, 2, 12)) == 0);
  REQUIRE(add(windows, window_of(above, 1, 0)) == 0);
  REQUIRE(add(windows, window_of(region_base - page_bytes, 1, region_pages - 1)) == 0);
  REQUIRE(add(windows, window_of(region_base + region_bytes, 1, 14)) == 0);
  CHECK(windows.page_at(program) == PageNo{12});
  CHECK(windows.page_at(program + 2 * page_bytes) == PageNo{10});
  CHECK(windows.address_of(PageNo{11}) == program + 3 * page_bytes);
  CHECK(windows.address_of(PageNo{13}) == program + page_bytes);
  CHECK(windows.address_of(PageNo{0}) == above);
  CHECK(windows.address_of(PageNo{region_pages - 1}) == region_base - page_bytes);
  CHECK(windows.page_at(region_base - 1) == PageNo{region_pages - 1});
  CHECK(windows.page_at(region_base + region_bytes) == PageNo{14});
}

TEST_CASE("what is no window is refused") {
  const Windows windows(region_bytes);
  const ipc::Window good = window_of(program, 3, 100);
  CHECK(windows.check(good) == 0);
  const auto with = [&](auto change) {
    ipc::Window window = good;
    change(window);
    return windows.check(window);
  };
  CHECK(with([](auto& window) { window.address += 1; }) == EINVAL);
  CHECK(with([](auto& window) { window.size_bytes -= 1; }) == EINVAL);
  CHECK(with([](auto& window) { window.own_address += 8; }) == EINVAL);
  CHECK(with([](auto& window) { window.size_bytes = 0; }) == EINVAL);
  CHECK(with([](auto& window) { window.size_bytes = ~(page_bytes - 1); }) == EINVAL);
  CHECK(with([](auto& window) { window.address = ~(page_bytes - 1); }) == EINVAL);
  CHECK(with([](auto& window) { window.address = 0 - window.size_bytes; }) == EINVAL);
  CHECK(with([](auto& window) { window.own_address = region_base - page_bytes; }) == EINVAL);
  CHECK(with([](auto& window) { window.own_address = region_base + region_bytes; }) == EINVAL);
  CHECK(with([](auto& window) { window.own_address = ~(page_bytes - 1); }) == EINVAL);
  CHECK(windows.check(window_of(program, 3, region_pages - 2)) == EINVAL);
  CHECK(windows.check(window_of(program, 3, region_pages - 3)) == 0);
}

TEST_CASE("a window in the region is refused, at whichever end it reaches in") {
  const Windows windows(region_bytes);
  for (const std::uint64_t address :
       {region_base, region_base - page_bytes, region_base + region_bytes - page_bytes,
        region_base + 40 * page_bytes})
    CHECK(windows.check(window_of(address, 2, 0)) == EINVAL);
  CHECK(windows.check(window_of(region_base - 2 * page_bytes, 2, 0)) == 0);
  CHECK(windows.check(window_of(region_base + region_bytes, 2, 0)) == 0);
  CHECK(windows.check(window_of(region_base - page_bytes, region_pages, 0)) == EINVAL);
}

TEST_CASE("windows that share an address or a page are refused") {
  Windows windows(region_bytes);
  REQUIRE(add(windows, window_of(program, 4, 100)) == 0);
  for (const std::int64_t by : {-1, 0, 1, 3}) {
    const auto offset = static_cast<std::uint64_t>(by);
    CHECK(windows.check(window_of(program + offset * page_bytes, 2, 300)) == EINVAL);
    CHECK(windows.check(window_of(2 * program, 2, 100 + offset)) == EINVAL);
  }
  CHECK(windows.check(window_of(program - 8 * page_bytes, 64, 300)) == EINVAL);
  CHECK(windows.check(window_of(2 * program, 64, 80)) == EINVAL);
  CHECK(windows.check(window_of(program + 4 * page_bytes, 2, 104)) == 0);
  CHECK(windows.check(window_of(program - 2 * page_bytes, 2, 98)) == 0);
}

TEST_CASE("there is an end to windows") {
  Windows windows(region_bytes);
  for (std::uint64_t i = 0; i < ipc::window_count_max; ++i)
    REQUIRE(add(windows, window_of(program + 2 * i * page_bytes, 1, i)) == 0);
  CHECK(windows.check(window_of(2 * program + 8 * chunk_bytes, 1, 2000)) == ENOSPC);
  CHECK(windows.check(window_of(program, 1, 2000)) == EINVAL);
}

TEST_CASE("many windows agree with a map of all their pages") {
  std::mt19937 random(7);
  Windows windows(region_bytes);
  std::map<std::uint64_t, std::uint64_t> seen, shown;  // page -> page of the program, and back
  unsigned refused = 0;
  for (unsigned i = 0; i < 400; ++i) {
    const std::uint64_t at = random() % 4096, count = 1 + random() % 12,
                        first = random() % region_pages;
    bool fits = first + count <= region_pages;
    for (std::uint64_t k = 0; k < count; ++k)
      fits = fits && !shown.contains(at + k) && !seen.contains(first + k);
    const int code = add(windows, window_of(program + at * page_bytes, count, first));
    REQUIRE(code == (fits ? 0 : EINVAL));
    refused += !fits;
    for (std::uint64_t k = 0; fits && k < count; ++k) {
      shown[at + k] = first + k;
      seen[first + k] = at + k;
    }
  }
  REQUIRE(refused > 50);
  REQUIRE(seen.size() > 500);
  for (std::uint64_t page = 0; page < region_pages; ++page)
    REQUIRE(windows.address_of(PageNo{page}) == (seen.contains(page)
                                                     ? program + seen[page] * page_bytes
                                                     : region_base + page * page_bytes));
  for (std::uint64_t at = 0; at < 4096 + 12; ++at) {
    const auto found = windows.page_at(program + at * page_bytes + 17);
    REQUIRE(found.has_value() == shown.contains(at));
    if (found) REQUIRE(*found == PageNo{shown[at]});
  }
}
