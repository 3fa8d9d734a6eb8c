// What --explain of gallocy-run asks rank 0 to tell: what of the program all nodes share, and what
// stays each one's own.
#pragma once

#include <span>

#include "preload/arena.hpp"
#include "preload/machine.hpp"
#include "preload/objects.hpp"

namespace gallocy::preload {

// A line on standard error for each object, and for what else the job is started by.
void explain(const Machine& machine, std::span<const Object> objects, const arena::Used& used);

// Of a library that is loaded later. Tells nothing if explain() has not been called.
void explain_later(const Object& library);

}  // namespace gallocy::preload
