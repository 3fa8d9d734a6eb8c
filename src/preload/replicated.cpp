// State that each C library keeps for its process, and that threads on all nodes look at: it is set
// on every node. Two threads that set it at once may do so in another order on another node.
#include <locale.h>
#include <signal.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(sigaction)
GALLOCY_REAL(signal)
GALLOCY_REAL(setlocale)

using namespace gallocy::preload;

GALLOCY_TAKES int sigaction(int signal, const struct sigaction* action,
                            struct sigaction* old) noexcept {
  const int result = real::sigaction(signal, action, old);
  if (result == 0 && action != nullptr && is_application())
    call_on_all(real::sigaction.any(), signal, (long)(action), 0);
  return result;
}

GALLOCY_TAKES sighandler_t signal(int signal, sighandler_t handler) noexcept {
  const sighandler_t old = real::signal(signal, handler);
  if (old != SIG_ERR && is_application())
    call_on_all(real::signal.any(), signal, (long)(handler), 0);
  return old;
}

GALLOCY_TAKES char* setlocale(int category, const char* locale) noexcept {
  char* result = real::setlocale(category, locale);
  if (result != nullptr && locale != nullptr && is_application())
    call_on_all(real::setlocale.any(), category, (long)(locale), 0);
  return result;
}
