#include "outcomes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

using namespace litmus;

namespace {

const Test& named(std::string_view name) {
  const auto found =
      std::find_if(std::begin(catalogue), std::end(catalogue),
                   [name](const Test& test) { return name == test.name; });
  REQUIRE(found != std::end(catalogue));
  return *found;
}

bool can_be(const Test& test, Model model) {
  const auto outcomes = outcomes_of(test, model);
  return std::any_of(outcomes.begin(), outcomes.end(),
                     [&](const Outcome& outcome) { return is_asked(test.asked, outcome); });
}

std::set<std::string> words(const Test& test, Model model) {
  std::set<std::string> texts;
  for (const Outcome& outcome : outcomes_of(test, model)) texts.insert(describe(test, outcome));
  return texts;
}

// An iteration of MP, the seventh, which reads these words.
Observation observed(uint64_t r0, uint64_t r1) {
  return {7, {word_of(5, 1), word_of(5, 1), 0}, {r0, r1}, {word_of(7, 1), word_of(7, 1), 0}};
}

}  // namespace

TEST_CASE("SB is 0, 0 only with store buffers") {
  CHECK(words(named("SB"), Model::sc) ==
        std::set<std::string>{"r0=0 r1=1", "r0=1 r1=0", "r0=1 r1=1"});
  CHECK(words(named("SB"), Model::tso) ==
        std::set<std::string>{"r0=0 r1=0", "r0=0 r1=1", "r0=1 r1=0", "r0=1 r1=1"});
}

TEST_CASE("MP is never 1, 0") {
  const std::set<std::string> expected{"r0=0 r1=0", "r0=0 r1=1", "r0=1 r1=1"};
  CHECK(words(named("MP"), Model::sc) == expected);
  CHECK(words(named("MP"), Model::tso) == expected);
}

TEST_CASE("final values tell 2+2W and S apart from what is allowed") {
  CHECK(words(named("2+2W"), Model::sc) == std::set<std::string>{"x=1 y=1", "x=1 y=2", "x=2 y=1"});
  CHECK(words(named("S"), Model::sc) == std::set<std::string>{"r0=0 x=1", "r0=0 x=2", "r0=1 x=1"});
}

TEST_CASE("IRIW has 15 of 16 outcomes, and its readers agree on the order") {
  CHECK(outcomes_of(named("IRIW"), Model::sc).size() == 15);
  CHECK(outcomes_of(named("IRIW"), Model::tso).size() == 15);
}

TEST_CASE("every verdict of the catalogue is what the interleavings say") {
  for (const Test& test : catalogue) {
    CAPTURE(test.name);
    CHECK_FALSE(can_be(test, Model::sc));
    CHECK(can_be(test, Model::tso) == (test.verdict == Verdict::tso_allows));
    const auto sc = outcomes_of(test, Model::sc);
    const auto tso = outcomes_of(test, Model::tso);
    CHECK(sc.size() >= 3);
    CHECK(std::includes(tso.begin(), tso.end(), sc.begin(), sc.end()));
  }
}

TEST_CASE("what was there before counts as 0") {
  const auto outcome = outcome_of(named("MP"), observed(word_of(5, 1), word_of(7, 1)));
  REQUIRE(outcome.has_value());
  CHECK(describe(named("MP"), *outcome) == "r0=0 r1=1");
}

TEST_CASE("an old flag with new data is MP's forbidden outcome") {
  const auto outcome = outcome_of(named("MP"), observed(word_of(7, 1), word_of(5, 1)));
  REQUIRE(outcome.has_value());
  CHECK(is_asked(named("MP").asked, *outcome));
  CHECK_FALSE(outcomes_of(named("MP"), Model::tso).contains(*outcome));
}

TEST_CASE("a value of neither this iteration nor the last is no outcome") {
  CHECK_FALSE(outcome_of(named("MP"), observed(word_of(4, 1), word_of(7, 1))));
  CHECK_FALSE(outcome_of(named("MP"), observed(word_of(5, 1), 0)));
  CHECK_FALSE(outcome_of(named("MP"), observed(word_of(8, 1), word_of(7, 1))));
  CHECK_FALSE(outcome_of(named("MP"), observed(word_of(7, 0), word_of(7, 1))));
}

TEST_CASE("the planted test can be what MP can't") {
  CHECK(can_be(planted, Model::sc));
}
