// gallocy-sim: runs of the whole protocol in one process, each fixed by its seed. With
// GALLOCY_PLANTED the core has bugs to choose from by name.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
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

struct Total {
  std::uint64_t runs = 0, operations = 0;
  TimeUs simulated_us = 0;
  std::array<std::uint64_t, fault_count> faults{};
};

template <class World>
void print_last_line(const World& world, const char* verdict) {
  std::printf("seed %llu: %s %llu %llu %016llx\n",
              static_cast<unsigned long long>(world.settings().seed), verdict,
              static_cast<unsigned long long>(world.operation_count()),
              static_cast<unsigned long long>(world.recorder().event_count()),
              static_cast<unsigned long long>(world.recorder().hash()));
}

template <class World>
void on_failed_check(void* context) {
  const World& world = *static_cast<const World*>(context);
  std::fputs(world.dump("a check of the core failed").c_str(), stdout);
  print_last_line(world, "FAIL");
  std::fflush(stdout);
  ::_exit(exit_failed);
}

template <class World>
bool run(const Settings& settings, Total& total) {
  World world(settings);
  set_check_hook(on_failed_check<World>, &world);
  bool ok = true;
  try {
    world.run();
  } catch (const Failure& failure) {
    std::fputs(world.dump(failure.what()).c_str(), stdout);
    ok = false;
  }
  print_last_line(world, ok ? "OK" : "FAIL");
  ++total.runs;
  total.operations += world.operation_count();
  total.simulated_us += world.now_us();
  for (unsigned i = 0; i < fault_count; ++i) total.faults[i] += world.faults().counts()[i];
  return ok;
}

bool run(Settings settings, Total& total) {
  if (!settings.workload)  // not from the numbers of the run itself
    settings.workload = static_cast<Pattern>(Random(~settings.seed).below(pattern_count));
  return *settings.workload == Pattern::sync ? run<SyncWorld>(settings, total)
                                             : run<World>(settings, total);
}

void print(const Total& total) {
  std::uint64_t all = 0;
  for (const auto count : total.faults) all += count;
  const auto per_run = [&](std::uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(total.runs);
  };
  std::printf("%llu runs, %llu operations in %.2f simulated hours; "
              "faults in each run on average: %.1f",
              static_cast<unsigned long long>(total.runs),
              static_cast<unsigned long long>(total.operations),
              static_cast<double>(total.simulated_us) / 3.6e9, per_run(all));
  for (unsigned i = 0; i < fault_count; ++i)
    std::printf("%s %s %.1f", i == 0 ? " (" : ",", fault_names[i], per_run(total.faults[i]));
  std::puts(")");
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

}  // namespace
}  // namespace gallocy::sim

int main(int argc, char** argv) {
  using namespace gallocy::sim;
  CLI::App app{"Runs the page protocol of several nodes in one process."};
  Settings settings;
  std::uint64_t seed_count = 1;
  std::string workload, faults = "all", late, bug;
  bool show_pairs = false;
  app.add_flag("--pairs", show_pairs, "which event met which state, over all seeds");
  auto* const seed = app.add_option("--seed", settings.seed, "first seed");
  app.add_option("--nodes", settings.node_count, "2 to 8")->check(CLI::Range(2, 8));
  app.add_option("--ops", settings.operation_count, "operations of each run");
  app.add_option("--seeds", seed_count, "how many seeds, one after the other")
      ->check(CLI::PositiveNumber);
  app.add_option("--faults", faults,
                 "all, none, or of delay,reorder,loss,pause,slow,pressure,crash,removal");
  app.add_option("--late", late,
                 "answers that are late: none, some, evictions, recalls or ends; by the seed if "
                 "not given");
  app.add_option("--workload", workload,
                 "random, hot_page, false_sharing, migratory, producer_consumer, two_pages, "
                 "four_pages, recycled, chunks, threads, mixed or sync; by the seed if not given");
#ifdef GALLOCY_PLANTED
  bool list = false;
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
  if (!bug.empty() && !plant(bug)) refuse("bug", bug);
#endif
  if (seed->empty()) {
    std::fputs("gallocy-sim: --seed is needed; see --help\n", stderr);
    return exit_usage;
  }
  const auto chosen = faults_of(faults);
  if (!chosen) refuse("fault in", faults);
  settings.faults = *chosen;
  if (!workload.empty() && !(settings.workload = named<Pattern>(pattern_names, workload)))
    refuse("workload", workload);
  if (!late.empty() && !(settings.late = named<LateAnswers>(late_names, late)))
    refuse("late answer in", late);
  bool ok = true;
  Total total;
  Pairs pairs;
  settings.pairs = &pairs;
  for (std::uint64_t i = 0; i < seed_count && (ok || bug.empty()); ++i, ++settings.seed)
    ok = run(settings, total) && ok;
  if (seed_count > 1 && bug.empty()) print(total);
  if (show_pairs) pairs.print();
  return ok ? 0 : exit_failed;
}
