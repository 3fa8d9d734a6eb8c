#include "preload/stage.hpp"

#include <stdlib.h>
#include <unistd.h>

#include "ipc/rank_environment.hpp"

namespace gallocy::preload {

namespace {

constinit std::atomic<Stage> g_stage = Stage::unknown;

constexpr int exit_refused = 69;

}  // namespace

Stage stage() {
  const Stage known = g_stage.load(std::memory_order_relaxed);
  if (known != Stage::unknown) return known;
  const bool is_rank = ::getenv(ipc::persona_variable) != nullptr;
  set_stage(is_rank ? Stage::loading : Stage::no_rank);
  return g_stage.load(std::memory_order_relaxed);
}

void set_stage(Stage stage) { g_stage.store(stage, std::memory_order_relaxed); }

void refuse(const char* what) {
  const FixedText<320> line("gallocy: rank ", client::process.rank, " ends: ", what, "\n");
  [[maybe_unused]] const auto written = ::write(2, line.c_str(), line.view().size());
  ::_exit(exit_refused);
}

}  // namespace gallocy::preload
