// Threads of the program, wherever they run.
#pragma once

#include <pthread.h>

namespace gallocy::preload {

// Starts a thread of the default size on that node (GALLOCY_ANY_NODE: by placement). thread:
// nullptr if nobody joins it. 0 or a positive errno, with a sentence in gallocy_last_error().
int start_thread(int node, pthread_t* thread, void* (*function)(void*), void* argument);

}  // namespace gallocy::preload
