// Whether the dynamic linker might find a library, without loading it.
#pragma once

namespace gallocy::preload {

// As dlopen is given it. True also where nobody knows.
bool may_be_found(const char* path);

}  // namespace gallocy::preload
