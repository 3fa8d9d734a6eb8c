// The measured programs, one for each figure; scripts/bench starts them by gallocy-run.
#include <map>

#include "bench/ours/ours.hpp"

int main(int argc, char** argv) {
  using namespace bench;
  Arguments arguments(argc, argv, "gallocy-run -n 2 ours FIGURE COUNT [MORE]");
  const std::map<std::string, Measure> measures = {
      {"read_fault", measure_read_fault},
      {"write_fault", measure_write_fault},
      {"local_fault", measure_local_fault},
      {"first_touch", measure_first_touch},
      {"scan", measure_scan},
      {"random_reads", measure_random_reads},
      {"hold_memory", hold_memory},
      {"lock_handover", measure_lock_handover},
      {"spin_flag", measure_spin_flag},
      {"lock_cached", measure_lock_cached},
      {"barrier", measure_barrier},
      {"ipc", measure_ipc},
      {"malloc", measure_malloc},
      {"create_join", measure_create_join},
  };
  const auto measure = measures.find(arguments.word());
  if (measure == measures.end()) arguments.wrong();
  check(gallocy_init(), "gallocy_init");
  measure->second(arguments);
}
