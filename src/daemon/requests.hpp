// A client's request as core's call. Every number in it is the client's word.
#pragma once

#include "core/event.hpp"
#include "ipc/daemon_ring.hpp"

namespace gallocy::daemon {

// False: no request that there is.
bool call_of(const ipc::Request& request, decltype(core::ClientCall::call)& call);

}  // namespace gallocy::daemon
