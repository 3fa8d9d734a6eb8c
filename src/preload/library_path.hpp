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

// What all ranks are to open for a library that this one has opened by that path: a name that the
// linker looks for itself, all have to leave to it, since it maps its cache right then where the
// library is to be put.
LibraryPath path_for_all(const char* opened, const char* found);

}  // namespace gallocy::preload
