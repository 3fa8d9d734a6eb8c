// Becoming a member of the job that the environment names.
#pragma once

#include "base/result.hpp"

namespace gallocy::client {

// What gallocy_init() does, but returns in every rank. The calling thread is then the process's
// first in the job (self.thread), unless it is to be another one: see Process::main_is_apart.
// Waits until all ranks have come, with a limit. Errors: those of gallocy_init().
Status join();

}  // namespace gallocy::client
