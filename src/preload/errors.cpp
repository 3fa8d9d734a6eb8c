// What says something on standard error or in the log, in the words of a format; err() and error()
// end the process then, by exit() of the C library itself. Rank 0 does it.
#include <err.h>
#include <error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(verr)
GALLOCY_REAL(verrx)
GALLOCY_REAL(vwarn)
GALLOCY_REAL(vwarnx)
GALLOCY_REAL(vsyslog)
GALLOCY_REAL(error)
GALLOCY_REAL(error_at_line)

using namespace gallocy::preload;

namespace {

// There is none of error() that takes a list.
char* formatted(const char* format, va_list list) {
  char* text = nullptr;
  return ::vasprintf(&text, format, list) >= 0 ? text : nullptr;
}

}  // namespace

#define GALLOCY_SAY(...) \
  va_list list; \
  va_start(list, format); \
  by_first(__VA_ARGS__); \
  va_end(list)

GALLOCY_TAKES void vwarn(const char* format, va_list list) { by_first(real::vwarn, format, list); }
GALLOCY_TAKES void vwarnx(const char* format, va_list list) {
  by_first(real::vwarnx, format, list);
}
GALLOCY_TAKES void warn(const char* format, ...) { GALLOCY_SAY(real::vwarn, format, list); }
GALLOCY_TAKES void warnx(const char* format, ...) { GALLOCY_SAY(real::vwarnx, format, list); }

GALLOCY_TAKES void verr(int status, const char* format, va_list list) {
  by_first(real::verr, status, format, list);
  __builtin_unreachable();
}
GALLOCY_TAKES void verrx(int status, const char* format, va_list list) {
  by_first(real::verrx, status, format, list);
  __builtin_unreachable();
}
GALLOCY_TAKES void err(int status, const char* format, ...) {
  GALLOCY_SAY(real::verr, status, format, list);
  __builtin_unreachable();
}
GALLOCY_TAKES void errx(int status, const char* format, ...) {
  GALLOCY_SAY(real::verrx, status, format, list);
  __builtin_unreachable();
}

GALLOCY_TAKES void error(int status, int number, const char* format, ...) {
  va_list list;
  va_start(list, format);
  char* text = formatted(format, list);
  va_end(list);
  by_first(real::error, status, number, "%s", text);
  ::free(text);
}
GALLOCY_TAKES void error_at_line(int status, int number, const char* file, unsigned line,
                                 const char* format, ...) {
  va_list list;
  va_start(list, format);
  char* text = formatted(format, list);
  va_end(list);
  by_first(real::error_at_line, status, number, file, line, "%s", text);
  ::free(text);
}

GALLOCY_TAKES void vsyslog(int priority, const char* format, va_list list) {
  by_first(real::vsyslog, priority, format, list);
}
GALLOCY_TAKES void syslog(int priority, const char* format, ...) {
  GALLOCY_SAY(real::vsyslog, priority, format, list);
}
GALLOCY_TAKES void __syslog_chk(int priority, int, const char* format, ...) {
  GALLOCY_SAY(real::vsyslog, priority, format, list);
}
GALLOCY_TAKES void __vsyslog_chk(int priority, int, const char* format, va_list list) {
  by_first(real::vsyslog, priority, format, list);
}
