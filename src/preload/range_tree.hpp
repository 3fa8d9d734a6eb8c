// Ranges of pages that don't overlap, in the job's memory: the C library's search tree, whose nodes
// are allocated by threads of the program. A range is the first part of what somebody keeps of it.
#pragma once

#include "preload/pages.hpp"

namespace gallocy::preload {

struct RangeTree {  // made of zeros
  void* root;
};

// One that has pages there; nullptr: none has.
Range* find(const RangeTree& tree, Range there);

// The first of those.
Range* find_first(const RangeTree& tree, Range there);

// Ends the job if there is no room. REQUIRES: nothing in the tree overlaps it.
void insert(RangeTree& tree, Range& range);

void take_out(RangeTree& tree, const Range& range);

}  // namespace gallocy::preload
