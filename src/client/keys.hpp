// Thread-specific data of the job's threads.
#pragma once

namespace gallocy::client {

// In the ending thread: destructors, as POSIX has them.
void destroy_values();

}  // namespace gallocy::client
