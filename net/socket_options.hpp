// How a connection's socket is set up.
#pragma once

namespace gallocy::net {

// Failure is harmless, and expected where tests use UNIX sockets.
void tune(int fd);

}  // namespace gallocy::net
