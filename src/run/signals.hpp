// The signals that end gallocy-run, as a descriptor.
#pragma once

#include <signal.h>

#include "base/unique_fd.hpp"

namespace gallocy::run {

class Signals {
 public:
  // Blocks them in the calling thread: make it before any other thread. A signal that whoever
  // started gallocy-run had ignored (nohup) stays so.
  Signals();
  int fd() const { return fd_.get(); }
  // The next one, 0 if none waits.
  int take();
  // What children get.
  const sigset_t& original_mask() const { return original_mask_; }

 private:
  sigset_t original_mask_{};
  UniqueFd fd_;
};

}  // namespace gallocy::run
