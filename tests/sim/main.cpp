// gallocy-sim: runs of the whole protocol in one process, each fixed by its seed. With
// GALLOCY_PLANTED the core has bugs to choose from by name.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include "base/check.hpp"
#include "bugs.hpp"
#include "pairs.hpp"
#include "sync_world.hpp"
#include "world.hpp"

namespace gallocy::sim {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 64;

// One seed: a world, or as many jobs of `sync` as it takes.
struct Run {
  std::uint64_t seed = 0, operations = 0, events = 0, hash = 0;
  TimeUs simulated_us = 0;
  std::array<std::uint64_t, fault_count> faults{};
  bool ok = true;

  template <class World>
  void add(const World& world) {
    operations += world.operation_count();
    events += world.recorder().event_count();
    hash = hash * 0x100'0000'01b3 ^ world.recorder().hash();
    simulated_us += world.now_us();
    for (unsigned i = 0; i < fault_count; ++i) faults[i] += world.faults().counts()[i];
  }
  std::string last_line() const {
    return fmt::format("seed {}: {} {} {} {:016x}\n", seed, ok ? "OK" : "FAIL", operations, events,
                       hash);
  }
};

struct Total {
  std::uint64_t runs = 0, operations = 0;
  TimeUs simulated_us = 0;
  std::array<std::uint64_t, fault_count> faults{};

  void add(const Run& run) {
    ++runs;
    operations += run.operations;
    simulated_us += run.simulated_us;
    for (unsigned i = 0; i < fault_count; ++i) faults[i] += run.faults[i];
  }
};

template <class World>
struct Going {
  const World& world;
  Run run;  // before this world
};

template <class World>
void on_failed_check(void* context) {
  auto& [world, run] = *static_cast<Going<World>*>(context);
  run.add(world);
  run.ok = false;
  std::fputs(world.dump("a check of the core failed").c_str(), stdout);
  std::fputs(run.last_line().c_str(), stdout);
  std::fflush(stdout);
  ::_exit(exit_failed);
}

template <class World>
void run_one(const Settings& settings, Run& run) {
  World world(settings);
  Going<World> going{world, run};
  set_check_hook(on_failed_check<World>, &going);
  try {
    world.run();
  } catch (const Failure& failure) {
    std::fputs(world.dump(failure.what()).c_str(), stdout);
    run.ok = false;
  }
  run.add(world);
}

// A job of `sync` ends when its threads have, and some jobs with a client: then comes the next one.
Run run(Settings settings) {
  if (!settings.workload)  // not from the numbers of the run itself
    settings.workload = static_cast<Pattern>(Random(~settings.seed).below(pattern_count));
  Run run{.seed = settings.seed};
  if (*settings.workload != Pattern::sync) {
    run_one<World>(settings, run);
    return run;
  }
  for (; run.ok && run.operations < settings.operation_count; ++settings.job)
    run_one<SyncWorld>(settings, run);
  return run;
}

// "injected": all but `delay`, which befalls one message in ten.
void print(const Total& total) {
  const auto per_run = [&](std::uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(total.runs);
  };
  std::uint64_t injected = 0;
  std::string kinds;
  for (unsigned i = 0; i < fault_count; ++i) {
    if (FaultKind{static_cast<std::uint8_t>(i)} == FaultKind::delay) continue;
    injected += total.faults[i];
    kinds += fmt::format("{}{} {:.2f}", kinds.empty() ? "" : ", ", fault_names[i],
                         per_run(total.faults[i]));
  }
  fmt::print("sum: {} runs, {} operations, {:.1f} a run; {:.1f} faults injected a run ({}), "
             "{:.0f} messages delayed; {:.2f} simulated hours\n",
             total.runs, total.operations, per_run(total.operations), per_run(injected), kinds,
             per_run(total.faults[static_cast<unsigned>(FaultKind::delay)]),
             static_cast<double>(total.simulated_us) / 3.6e9);
}

template <class What, std::size_t count>
std::optional<What> named(const char* const (&names)[count], const std::string& name) {
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<What>(found - std::begin(names));
}

#ifdef GALLOCY_PLANTED
bool plant(const std::string& name) {
  for (const PlantedBug& bug : planted_bugs())
    if (name == bug.name) core::planted_bug = bug.bug;
  return core::planted_bug != core::Bug::none;
}

void list_bugs() {
  for (const PlantedBug& bug : planted_bugs()) std::printf("%s: %s\n", bug.name, bug.what);
}
#endif

[[noreturn]] void refuse(const char* what, const std::string& name) {
  std::fprintf(stderr, "gallocy-sim: there is no %s '%s'; see --help\n", what, name.c_str());
  std::exit(exit_usage);
}

// What is read as a number without a sign: CLI11 would take -1 for the largest there is.
CLI::Validator whole_number(std::uint64_t least) {
  const auto check = [least](const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [read, error] = std::from_chars(text.data(), end, number);
    const bool good = error == std::errc{} && read == end && number >= least;
    return good ? "" : fmt::format("'{}' is no whole number from {} to 2^64 - 1", text, least);
  };
  return {check, "", "whole number"};
}

}  // namespace
}  // namespace gallocy::sim

int main(int argc, char** argv) {
  using namespace gallocy::sim;
  CLI::App app{"Runs the page protocol of several nodes in one process. The last line is\n"
               "'seed N: OK|FAIL operations events hash', of the first seed that failed if any\n"
               "did, and else of the last one. Exits with 0, 1 if a seed failed, 64 on bad usage."};
  Settings settings;
  std::uint64_t seed_count = 1;
  std::string workload, faults = "all", late, bug;
  bool show_pairs = false;
  app.add_flag("--pairs", show_pairs, "which event met which state, over all seeds");
  auto* const seed =
      app.add_option("--seed", settings.seed, "first seed")->check(whole_number(0));
  app.add_option("--nodes", settings.node_count, "2 to 8")->check(CLI::Range(2, 8));
  app.add_option("--ops", settings.operation_count, "operations of each run, at least")
      ->check(whole_number(1));
  app.add_option("--seeds", seed_count, "how many seeds, one after the other, and their sum")
      ->check(whole_number(1));
  app.add_option("--faults", faults,
                 "all, none, or of delay,reorder,loss,pause,slow,pressure,crash,removal");
  auto* const chosen_late = app.add_option(
      "--late", late,
      "answers that are late: none, some, evictions, recalls or ends; by the seed if not given");
  auto* const chosen_workload = app.add_option(
      "--workload", workload,
      "random, hot_page, false_sharing, migratory, producer_consumer, two_pages, four_pages, "
      "recycled, chunks, threads, mixed or sync; by the seed if not given");
#ifdef GALLOCY_PLANTED
  bool list = false;
  auto* const chosen_bug =
      app.add_option("--bug", bug, "the bug to find; ends with the first seed that does");
  app.add_flag("--list", list, "names the bugs");
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
#ifdef GALLOCY_PLANTED
  if (list) return list_bugs(), 0;
  if (!chosen_bug->empty() && !plant(bug)) refuse("bug", bug);
#endif
  if (seed->empty()) {
    std::fputs("gallocy-sim: --seed is needed; see --help\n", stderr);
    return exit_usage;
  }
  const auto chosen = faults_of(faults);
  if (!chosen) refuse("fault in", faults);
  settings.faults = *chosen;
  if (!chosen_workload->empty() &&
      !(settings.workload = named<Pattern>(pattern_names, workload)))
    refuse("workload", workload);
  if (!chosen_late->empty() && !(settings.late = named<LateAnswers>(late_names, late)))
    refuse("late answer in", late);
  Total total;
  Pairs pairs;
  settings.pairs = &pairs;
  std::string last_line, first_failure;
  for (std::uint64_t i = 0; i < seed_count && (bug.empty() || first_failure.empty());
       ++i, ++settings.seed) {
    std::fputs(last_line.c_str(), stdout);
    const Run done = run(settings);
    total.add(done);
    last_line = done.last_line();
    if (!done.ok && first_failure.empty()) first_failure = last_line;
  }
  if (!first_failure.empty() && first_failure != last_line) std::fputs(last_line.c_str(), stdout);
  if (seed_count > 1 && bug.empty()) print(total);
  if (show_pairs) pairs.print();
  std::fputs(first_failure.empty() ? last_line.c_str() : first_failure.c_str(), stdout);
  return first_failure.empty() ? 0 : exit_failed;
}
