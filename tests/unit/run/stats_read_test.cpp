// gallocy_stats_read, as whoever maps a statistics page uses it.
#include <doctest/doctest.h>

#include <memory>

#include "gallocy/stats.h"

namespace {

std::unique_ptr<gallocy_stats> good_page() {
  auto page = std::make_unique<gallocy_stats>();
  page->magic = GALLOCY_STATS_MAGIC;
  page->version = GALLOCY_STATS_VERSION;
  page->size_bytes = sizeof(gallocy_stats);
  page->sequence = 2;
  page->job = 17;
  page->rank_count = GALLOCY_STATS_RANKS_MAX;
  page->ranks[GALLOCY_STATS_RANKS_MAX - 1].threads_run = 5;
  return page;
}

int status_of(const gallocy_stats& page) {
  gallocy_stats copy;
  return gallocy_stats_read(&page, &copy);
}

}  // namespace

TEST_CASE("a good page is copied whole") {
  const auto page = good_page();
  gallocy_stats copy{};
  REQUIRE(gallocy_stats_read(page.get(), &copy) == 0);
  CHECK(::memcmp(&copy, page.get(), sizeof copy) == 0);
}

TEST_CASE("a page of a later writer, who knows more, can be read") {
  const auto page = good_page();
  page->size_bytes += 64;
  CHECK(status_of(*page) == 0);
}

TEST_CASE("what is no page of this version is refused") {
  const gallocy_stats zeros{};
  CHECK(status_of(zeros) == -1);
  auto page = good_page();
  page->magic ^= 1;
  CHECK(status_of(*page) == -1);
  page = good_page();
  ++page->version;
  CHECK(status_of(*page) == -1);
  page = good_page();
  --page->size_bytes;
  CHECK(status_of(*page) == -1);
  page = good_page();
  ++page->rank_count;
  CHECK(status_of(*page) == -1);
}

TEST_CASE("a page whose writer has died in the middle is not waited for") {
  const auto page = good_page();
  page->sequence = 3;
  CHECK(status_of(*page) == -1);
}
