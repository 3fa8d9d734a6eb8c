// gallocy-sim: runs of the whole protocol in one process, each fixed by its seed.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/check.hpp"
#include "sync_world.hpp"
#include "world.hpp"

namespace gallocy::sim {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 64;

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
bool run(const Settings& settings) {
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
  return ok;
}

}  // namespace
}  // namespace gallocy::sim

int main(int argc, char** argv) {
  CLI::App app{"Runs the page protocol of several nodes in one process."};
  gallocy::sim::Settings settings;
  std::uint64_t seed_count = 1;
  bool sync = false;
  app.add_option("--seed", settings.seed, "first seed")->required();
  app.add_option("--nodes", settings.node_count, "2 to 8; by the seed if not given")
      ->check(CLI::Range(2, 8));
  app.add_option("--ops", settings.operation_count, "operations of each run");
  app.add_option("--seeds", seed_count, "how many seeds, one after the other");
  app.add_flag("--sync", sync, "threads that lock, wait and die instead of those that fault");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : gallocy::sim::exit_usage;
  }
  bool ok = true;
  using namespace gallocy::sim;
  for (std::uint64_t i = 0; i < seed_count; ++i, ++settings.seed)
    ok = (sync ? run<SyncWorld>(settings) : run<World>(settings)) && ok;
  return ok ? 0 : gallocy::sim::exit_failed;
}
