// Whose turn it is when accesses keep from each other the pages that they need: that of the older
// one. Two nodes that judge a pair of accesses differently would each keep what the other needs,
// so all must judge alike, and not by how old an access looks from where they are.
#pragma once

#include <algorithm>
#include <compare>

#include "base/ids.hpp"
#include "core/event.hpp"

namespace gallocy::core {

struct Turn {
  TimeUs since_us = 0;    // when the access began, in the time of the job
  NodeId node = no_node;  // where; of equal times the lower node goes first
  friend auto operator<=>(const Turn&, const Turn&) = default;
};

// The time of the job, as far as this node knows it: its own clock, put forward to the latest time
// that others have told. Clocks of machines are never compared, and need not agree: an access that
// begins after a node has heard of another one is younger than that, and nobody stays behind.
// For turns only; what waits for time to pass looks at the machine's clock, which does not jump.
class JobClock {
 public:
  TimeUs at(TimeUs local_us) const { return local_us + ahead_us_; }
  void hear(TimeUs job_us, TimeUs now_us) {
    if (job_us > at(now_us)) ahead_us_ = job_us - now_us;
  }

 private:
  TimeUs ahead_us_ = 0;
};

}  // namespace gallocy::core
