// Which program this is: every rank must run the same, at the same address.
#pragma once

#include "ipc/protocol.hpp"

namespace gallocy::client {

// Fills in build id and load address; zeros if the executable has no build id. Allocates nothing.
void describe_executable(ipc::ClientHello& hello);

}  // namespace gallocy::client
