#include "preload/stage.hpp"

#include <stdlib.h>
#include <unistd.h>

#include "gallocy/gallocy.h"
#include "ipc/rank_environment.hpp"

namespace gallocy::preload {

namespace {

constinit std::atomic<Stage> g_stage = Stage::unknown;

constexpr int exit_refused = 69;

constinit std::atomic<bool> g_said_no_room = false, g_said_no_code = false;

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
  const bool is_joined = client::process.rank_count != 0;
  const char* told = is_joined ? nullptr : ::getenv(ipc::rank_variable);
  const FixedText<20> rank(client::process.rank);
  const FixedText<320> line("gallocy: rank ", told != nullptr ? told : rank.c_str(), " ends: ",
                            what, "\n");
  [[maybe_unused]] const auto written = ::write(2, line.c_str(), line.view().size());
  ::_exit(exit_refused);
}

void say_no_room(std::size_t size_bytes) {
  constexpr std::size_t address_space_bytes = std::size_t{1} << 47;  // more, nobody promises
  if (size_bytes >= address_space_bytes || g_said_no_room.exchange(true)) return;
  const client::ErrnoKeeper keeper;
  client::say(Sentence("gallocy: ", gallocy_last_error(), "\n"));
}

void say_no_code() {
  if (g_said_no_code.exchange(true)) return;
  const client::ErrnoKeeper keeper;
  client::say(Sentence("gallocy: memory for code made at run time is not supported, and mprotect "
                       "with PROT_EXEC fails with EACCES\n"));
}

}  // namespace gallocy::preload
