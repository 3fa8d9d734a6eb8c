// thread_local objects that constructors of libraries have set. Natively they are main()'s; here
// main() runs in a thread of its own, which is given their bytes. What points to such an object
// goes on to point to that of the initial thread.
#pragma once

#include <span>

#include "preload/objects.hpp"

namespace gallocy::preload {

// In the initial thread. The objects: as they are loaded, in that order.
void note_early_locals(std::span<const Object> objects);

// In main()'s thread, before anything of the program runs there.
void take_early_locals();

}  // namespace gallocy::preload
