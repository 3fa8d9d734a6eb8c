// What the runtime allocates for itself: also when the program has used up its memory.
#pragma once

#include "client/memory.hpp"
#include "gallocy/gallocy.h"
#include "preload/stage.hpp"

namespace gallocy::preload {

// Zeroed; gallocy_free() ends it, on any node. Ends the job if there is no room.
template <class Item>
Item& make_item() {
  void* item = client::runtime_block(sizeof(Item));
  if (item == nullptr) refuse(gallocy_last_error());
  return *static_cast<Item*>(item);
}

// While there is one, what the C library allocates in this thread is for the runtime, too.
class ForRuntime {
 public:
  ForRuntime();
  ~ForRuntime();
  ForRuntime(const ForRuntime&) = delete;
  ForRuntime& operator=(const ForRuntime&) = delete;
};

}  // namespace gallocy::preload
