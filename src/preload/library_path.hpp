// Which file a name of dlopen means.
#pragma once

#include <limits.h>

#include "base/text.hpp"

namespace gallocy::preload {

using LibraryPath = FixedText<PATH_MAX>;

// The linker looks for a name without a slash in folders that the calling object names (RUNPATH),
// and would take this library for that object. Empty: it is in none of them, but may be where the
// linker looks for everybody.
LibraryPath library_for(const void* caller, const char* name);

// As all ranks find it: their working folders are not that of rank 0.
LibraryPath absolute(const char* path);

}  // namespace gallocy::preload
