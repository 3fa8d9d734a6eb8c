#include "run/environment.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "ipc/rank_environment.hpp"
#include "run/ranks.hpp"

using namespace gallocy;
using namespace gallocy::run;

namespace {

constexpr const char* library = "/usr/lib/x/libgallocy-preload.so";

Program preloaded_program() {
  Program program{"/bin/program", {"program"}, false, {}};
  program.preload_library = library;
  return program;
}

Environment made_from(const Environment& environment, const Program& program = preloaded_program(),
                      const std::vector<std::string>& exports = {}, bool invited = true) {
  Options options;
  options.exported = exports;
  RankPlan plan{2, std::nullopt, {}, {}};
  if (invited) plan.invitation = Invitation{"/run/gallocy/2.sock", 0xabc};
  return rank_environment(environment, program, options, plan);
}

// What main() sees when the preload library has done its part.
Environment restored(Environment environment) {
  std::vector<char*> entries;
  for (std::string& entry : environment) entries.push_back(entry.data());
  entries.push_back(nullptr);
  ipc::restore_environment(entries.data());
  Environment seen;
  for (char** entry = entries.data(); *entry != nullptr; ++entry) seen.emplace_back(*entry);
  return seen;
}

std::string value(const Environment& environment, const char* name) {
  return value_of(environment, name).value_or("(none)");
}

}  // namespace

TEST_CASE("a rank is told its job") {
  const Program linked{"/bin/program", {"program"}, true, {}};
  const Environment rank = made_from({"A=1", "GALLOCY_RANK=7", "B=2"}, linked);
  CHECK(rank == Environment{"A=1", "B=2", "GALLOCY_SOCKET=/run/gallocy/2.sock",
                            "GALLOCY_JOB=0000000000000abc", "GALLOCY_RANK=2"});
}

TEST_CASE("a program that runs on its own has the environment of gallocy-run, and what -x says") {
  const Program alone{"/bin/program", {"program"}, false, {}};
  CHECK(made_from({"A=1", "B=2"}, alone, {"A=x=y", "C="}, false) ==
        Environment{"B=2", "A=x=y", "C="});
}

TEST_CASE("a preloaded rank has what the dynamic linker must know") {
  const Environment rank = made_from({"A=1"});
  CHECK(value(rank, "LD_PRELOAD") == library);
  CHECK(value(rank, "LD_BIND_NOW") == "1");
  CHECK(value(rank, "GLIBC_TUNABLES") == "glibc.pthread.rseq=0");
  CHECK(value(rank, "GALLOCY_RANK") == "2");
  CHECK(value(rank, "GALLOCY_PERSONALITY") != "(none)");
  CHECK(value(rank, "GALLOCY_SAVED_LD_PRELOAD") == "(none)");
}

TEST_CASE("what the user has preloaded comes behind, and a tunable of the user's before") {
  const Environment rank =
      made_from({"LD_PRELOAD=libjemalloc.so:libx.so", "GLIBC_TUNABLES=glibc.malloc.check=3",
                 "LD_BIND_NOW="});
  CHECK(value(rank, "LD_PRELOAD") == std::string{library} + ":libjemalloc.so:libx.so");
  CHECK(value(rank, "GLIBC_TUNABLES") == "glibc.malloc.check=3:glibc.pthread.rseq=0");
  CHECK(value(rank, "LD_BIND_NOW") == "1");
  CHECK(value(made_from({"LD_PRELOAD="}), "LD_PRELOAD") == library);
  CHECK(value(made_from({}, preloaded_program(), {"LD_PRELOAD=libx.so"}), "LD_PRELOAD") ==
        std::string{library} + ":libx.so");
}

TEST_CASE("main() sees the environment that gallocy-run had, entry for entry") {
  for (const Environment& environment : {
           Environment{},
           Environment{"A=1", "B=", "no_equals_sign", "=odd", "PATH=/bin"},
           Environment{"GLIBC_TUNABLES=glibc.malloc.check=3", "A=1", "LD_PRELOAD=libx.so",
                       "LD_BIND_NOW=1", "Z=0"},
           Environment{"LD_PRELOAD=", "GALLOCY_JOB=12", "GALLOCY_RANK=1", "GALLOCY_SOCKET=/x",
                       "GALLOCY_PERSONALITY=0", "GALLOCY_LOG=/tmp/log", "LD_PRELOADS=x"},
       })
    CHECK(restored(made_from(environment)) == environment);
}

TEST_CASE("-x is for main(), too") {
  CHECK(restored(made_from({"A=1", "LD_PRELOAD=a.so"}, preloaded_program(),
                           {"A=2", "LD_PRELOAD=b.so"})) == Environment{"A=2", "LD_PRELOAD=b.so"});
}

TEST_CASE("of a variable that is there twice, main() keeps the one that getenv finds") {
  const Environment rank = made_from({"LD_PRELOAD=a.so", "A=1", "LD_PRELOAD=b.so"});
  CHECK(std::count_if(rank.begin(), rank.end(), [](const std::string& entry) {
          return entry.starts_with("LD_PRELOAD=");
        }) == 1);
  CHECK(restored(rank) == Environment{"LD_PRELOAD=a.so", "A=1"});
}

TEST_CASE("nothing that somebody else kept is taken for the program's") {
  CHECK(restored(made_from({"GALLOCY_SAVED_LD_PRELOAD=evil.so", "GALLOCY_SAVED_=", "A=1"})) ==
        Environment{"A=1"});
  // As it may be in the process of an environment that is not the launcher's.
  CHECK(restored({"LD_PRELOAD=x.so", "GALLOCY_SAVED_", "GALLOCY_SAVED_LD_PRELOAD", "B=1"}) ==
        Environment{"LD_PRELOAD", "B=1"});
}
