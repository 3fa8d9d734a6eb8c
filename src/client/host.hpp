// A program that was not started by gallocy-run starts it itself, for a job of one node.
#pragma once

#include "base/result.hpp"
#include "ipc/protocol.hpp"

namespace gallocy::client {

// Blocks until the daemon runs, a second at most as a rule. The launcher ends with this process and
// is no child of it, so that wait() never finds it.
// Errors: ENOTCONN with the launcher's sentence, or that there is none; ETIMEDOUT.
Result<ipc::GuestInvitation> start_host();

}  // namespace gallocy::client
