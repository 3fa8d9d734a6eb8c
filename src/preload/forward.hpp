// Calls that are rank 0's to make: descriptors, streams, exit. A thread of another rank has them
// made by a thread of its own on rank 0's node, its *proxy*, so that what the C library notes of
// the caller (who has locked a stream) holds from call to call. Addresses mean the same there.
#pragma once

#include <cstdint>

#include "preload/real.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

// Before any thread is started in this rank.
void set_first_node(std::uint32_t node);

// The calling thread is the program's and runs in another rank than 0.
inline bool is_away() { return is_application() && client::process.rank != 0; }

// errno is what the call left there.
long call_on_first(AnyFunction* function, long a, long b, long c, long d, long e, long f);

// On every node, the calling one too, one after the other: for state that each C library keeps.
void call_on_all(AnyFunction* function, long a, long b, long c);

// When the thread ends.
void end_proxy();

}  // namespace gallocy::preload
