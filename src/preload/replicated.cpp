// State that each C library keeps for its process, and that threads on all nodes look at. It is set
// on every node. Two threads that set it at once may do so in another order on another node.
#include <locale.h>
#include <stdlib.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(setlocale)
GALLOCY_REAL(drand48)

using namespace gallocy::preload;

GALLOCY_TAKES char* setlocale(int category, const char* locale) noexcept {
  char* result = real::setlocale(category, locale);
  if (result != nullptr && locale != nullptr && is_application())
    call_on_all(real::setlocale.any(), category, (long)(locale), 0);
  return result;
}

namespace {

long draw(long place, long, long, long, long, long) {
  *reinterpret_cast<double*>(place) = real::drand48();
  return 0;
}

}  // namespace

// Rank 0's, as that of lrand48 (first_rank.def); but the result is none of integer registers.
GALLOCY_TAKES double drand48() noexcept {
  double drawn = 0;
  if (is_away()) call_on_first(draw, (long)(&drawn), 0, 0, 0, 0, 0);
  else drawn = real::drand48();
  return drawn;
}
