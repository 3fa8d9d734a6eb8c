// The thread that takes back what other ranks have freed of this process's, and gives what its
// heaps only keep, when the daemon orders it. Not the agent's work: it takes the heaps' lock and
// reads their pages, which may have to come from another node, and the agent must always be able
// to end the process.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace gallocy::client {

// Before the agent. process.* is filled in, and the calling thread's signals are blocked.
Status start_sweeper();

// Returns at once. Thread safe.
enum class Sweep : std::uint32_t { freed = 1, freed_and_spare = 3 };
void order_sweep(Sweep what);

// Once, while the agent still ends the process if the daemon goes, or when nothing is to be swept.
// Returns when the thread has ended.
void stop_sweeper();

}  // namespace gallocy::client
