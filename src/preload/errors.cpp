// err() and its kin, which say something and end the process: by exit() of the C library itself,
// which in another rank than 0 would end that rank only.
#include <err.h>
#include <stdarg.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(verr)
GALLOCY_REAL(verrx)

using namespace gallocy::preload;

namespace {

constinit Real<AnyFunction> real_exit("exit");

template <class Function>
[[noreturn]] void end(const Real<Function>& real, void (*say)(const char*, va_list), int status,
                      const char* format, va_list list) {
  if (!is_away()) real(status, format, list);
  say(format, list);
  call_on_first(real_exit.any(), status, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

}  // namespace

GALLOCY_TAKES void verr(int status, const char* format, va_list list) {
  end(real::verr, ::vwarn, status, format, list);
}
GALLOCY_TAKES void verrx(int status, const char* format, va_list list) {
  end(real::verrx, ::vwarnx, status, format, list);
}
GALLOCY_TAKES void err(int status, const char* format, ...) {
  va_list list;
  va_start(list, format);
  end(real::verr, ::vwarn, status, format, list);
}
GALLOCY_TAKES void errx(int status, const char* format, ...) {
  va_list list;
  va_start(list, format);
  end(real::verrx, ::vwarnx, status, format, list);
}
