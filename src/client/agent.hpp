// The thread that the library runs in each process, beside the sweeper: it watches the daemon,
// carries out the job's orders (start a thread, end) and collects threads that have ended.
#pragma once

#include "base/result.hpp"

namespace gallocy::client {

// Before the process becomes a member; process.* is filled in.
Status start_agent();

// After process.phase has become left. Returns when the agent has ended.
void stop_agent();

// For requests of whoever can't leave it to the agent to notice; see ClientRing::submit.
bool daemon_has_gone();

}  // namespace gallocy::client
