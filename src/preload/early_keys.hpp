// Keys that constructors of libraries have made, and what they have given to them.
#pragma once

namespace gallocy::preload {

// In main()'s thread, before anything of the program runs there or has made a key.
void take_early_keys();

}  // namespace gallocy::preload
