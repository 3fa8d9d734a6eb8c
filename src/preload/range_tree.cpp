#include "preload/range_tree.hpp"

#include <search.h>

#include "gallocy/gallocy.h"
#include "preload/item.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

// What is in the tree does not overlap, so what does is what is looked for.
int compare(const void* one, const void* other) {
  const auto& a = *static_cast<const Range*>(one);
  const auto& b = *static_cast<const Range*>(other);
  if (a.end <= b.begin) return -1;
  return a.begin >= b.end ? 1 : 0;
}

}  // namespace

Range* find(const RangeTree& tree, Range there) {
  void* node = ::tfind(&there, &tree.root, compare);
  return node == nullptr ? nullptr : *static_cast<Range**>(node);
}

Range* find_first(const RangeTree& tree, Range there) {
  Range* found = nullptr;
  while (there.begin < there.end) {
    Range* earlier = find(tree, there);
    if (earlier == nullptr) break;
    found = earlier;
    there.end = found->begin;
  }
  return found;
}

void insert(RangeTree& tree, Range& range) {
  const ForRuntime guard;
  if (::tsearch(&range, &tree.root, compare) == nullptr) refuse(gallocy_last_error());
}

void take_out(RangeTree& tree, const Range& range) { ::tdelete(&range, &tree.root, compare); }

}  // namespace gallocy::preload
