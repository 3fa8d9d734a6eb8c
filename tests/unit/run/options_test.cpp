#include "run/options.hpp"

#include <doctest/doctest.h>

using namespace gallocy::run;

namespace {

Options parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "gallocy-run");
  const auto request =
      parse_command_line(static_cast<int>(words.size()), const_cast<char**>(words.data()));
  REQUIRE(request);
  REQUIRE(!request->text);
  return request->options;
}

}  // namespace

TEST_CASE("whether to preload is left open, or said; the last word counts") {
  CHECK(parsed({"true"}).preload == std::nullopt);
  CHECK(parsed({"--preload", "true"}).preload == true);
  CHECK(parsed({"--no-preload", "true"}).preload == false);
  CHECK(parsed({"--preload", "--no-preload", "true"}).preload == false);
  CHECK(parsed({"true", "--preload"}).preload == std::nullopt);
  CHECK(parsed({"--explain", "true"}).explained);
  CHECK(parsed({"true", "--explain"}).command.size() == 2);
}
