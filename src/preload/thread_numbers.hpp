// What the kernel calls a thread, as the program sees it.
#pragma once

#include <sys/types.h>

namespace gallocy::preload {

// The calling thread runs main().
void set_main_thread();

// Of the calling thread, as gettid() gives it.
pid_t thread_number();

}  // namespace gallocy::preload
