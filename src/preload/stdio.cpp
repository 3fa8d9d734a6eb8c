// Formatted input and output: in rank 0, as the streams are (first_rank.def). The arguments lie on
// the caller's stack, which all nodes see. The locale that a thread has for itself is used if it is
// that of C; data of others are on the node that has loaded them.
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <algorithm>
#include <iterator>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(vfprintf)
GALLOCY_REAL(vdprintf)
GALLOCY_REAL(vfwprintf)

// The headers give scanf and its kin the names of C99, __isoc99_*, which programs use.
namespace gallocy::preload::real {
inline constinit Real<decltype(::vfscanf)> vfscanf("__isoc99_vfscanf");
inline constinit Real<decltype(::vfwscanf)> vfwscanf("__isoc99_vfwscanf");
}  // namespace gallocy::preload::real

using namespace gallocy::preload;

namespace {

bool is_of_c(locale_t locale) {
  return std::ranges::all_of(locale->__names, [](const char* name) {
    return name == nullptr || ::strcmp(name, "C") == 0;
  });
}

long with_locale(long function, long stream, long format, long list, long locale, long) {
  const locale_t before = ::uselocale(reinterpret_cast<locale_t>(locale));
  const long result = reinterpret_cast<AnyFunction*>(function)(stream, format, list, 0, 0, 0);
  ::uselocale(before);
  return result;
}

template <class Function, class Stream, class Character>
int formatted(const Real<Function>& real, Stream stream, const Character* format, va_list list) {
  if (!is_away()) return real(stream, format, list);
  const locale_t own = ::uselocale(nullptr);
  const bool is_apart = own != LC_GLOBAL_LOCALE && is_of_c(own);
  const auto locale = reinterpret_cast<long>(is_apart ? own : LC_GLOBAL_LOCALE);
  return static_cast<int>(call_on_first(with_locale, (long)(real.any()), (long)(stream),
                                        (long)(format), (long)(list), locale, 0));
}

}  // namespace

#define GALLOCY_FORMATTED(real, stream, format) \
  va_list list; \
  va_start(list, format); \
  const int result = formatted(real, stream, format, list); \
  va_end(list); \
  return result

GALLOCY_TAKES int printf(const char* format, ...) {
  GALLOCY_FORMATTED(real::vfprintf, stdout, format);
}
GALLOCY_TAKES int fprintf(FILE* stream, const char* format, ...) {
  GALLOCY_FORMATTED(real::vfprintf, stream, format);
}
GALLOCY_TAKES int dprintf(int fd, const char* format, ...) {
  GALLOCY_FORMATTED(real::vdprintf, fd, format);
}
GALLOCY_TAKES int scanf(const char* format, ...) {
  GALLOCY_FORMATTED(real::vfscanf, stdin, format);
}
GALLOCY_TAKES int fscanf(FILE* stream, const char* format, ...) {
  GALLOCY_FORMATTED(real::vfscanf, stream, format);
}
GALLOCY_TAKES int __printf_chk(int, const char* format, ...) {
  GALLOCY_FORMATTED(real::vfprintf, stdout, format);
}
GALLOCY_TAKES int __fprintf_chk(FILE* stream, int, const char* format, ...) {
  GALLOCY_FORMATTED(real::vfprintf, stream, format);
}
GALLOCY_TAKES int __dprintf_chk(int fd, int, const char* format, ...) {
  GALLOCY_FORMATTED(real::vdprintf, fd, format);
}

GALLOCY_TAKES int vprintf(const char* format, va_list list) {
  return formatted(real::vfprintf, stdout, format, list);
}
GALLOCY_TAKES int vfprintf(FILE* stream, const char* format, va_list list) {
  return formatted(real::vfprintf, stream, format, list);
}
GALLOCY_TAKES int vdprintf(int fd, const char* format, va_list list) {
  return formatted(real::vdprintf, fd, format, list);
}
GALLOCY_TAKES int vscanf(const char* format, va_list list) {
  return formatted(real::vfscanf, stdin, format, list);
}
GALLOCY_TAKES int vfscanf(FILE* stream, const char* format, va_list list) {
  return formatted(real::vfscanf, stream, format, list);
}
GALLOCY_TAKES int __vprintf_chk(int, const char* format, va_list list) {
  return formatted(real::vfprintf, stdout, format, list);
}
GALLOCY_TAKES int __vfprintf_chk(FILE* stream, int, const char* format, va_list list) {
  return formatted(real::vfprintf, stream, format, list);
}
GALLOCY_TAKES int __vdprintf_chk(int fd, int, const char* format, va_list list) {
  return formatted(real::vdprintf, fd, format, list);
}

GALLOCY_TAKES int wprintf(const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwprintf, stdout, format);
}
GALLOCY_TAKES int fwprintf(FILE* stream, const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwprintf, stream, format);
}
GALLOCY_TAKES int wscanf(const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwscanf, stdin, format);
}
GALLOCY_TAKES int fwscanf(FILE* stream, const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwscanf, stream, format);
}
GALLOCY_TAKES int vwprintf(const wchar_t* format, va_list list) {
  return formatted(real::vfwprintf, stdout, format, list);
}
GALLOCY_TAKES int vfwprintf(FILE* stream, const wchar_t* format, va_list list) {
  return formatted(real::vfwprintf, stream, format, list);
}
GALLOCY_TAKES int __wprintf_chk(int, const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwprintf, stdout, format);
}
GALLOCY_TAKES int __fwprintf_chk(FILE* stream, int, const wchar_t* format, ...) {
  GALLOCY_FORMATTED(real::vfwprintf, stream, format);
}
GALLOCY_TAKES int __vwprintf_chk(int, const wchar_t* format, va_list list) {
  return formatted(real::vfwprintf, stdout, format, list);
}
GALLOCY_TAKES int __vfwprintf_chk(FILE* stream, int, const wchar_t* format, va_list list) {
  return formatted(real::vfwprintf, stream, format, list);
}
GALLOCY_TAKES int vwscanf(const wchar_t* format, va_list list) {
  return formatted(real::vfwscanf, stdin, format, list);
}
GALLOCY_TAKES int vfwscanf(FILE* stream, const wchar_t* format, va_list list) {
  return formatted(real::vfwscanf, stream, format, list);
}

// The same by the names that programs of before C99 use, and others that were built long ago.
#define GALLOCY_OLD_NAME(name, meant, ...) \
  extern "C" __attribute__((visibility("default"), alias(meant))) int old_##name( \
      __VA_ARGS__) asm(#name)
GALLOCY_OLD_NAME(scanf, "__isoc99_scanf", const char*, ...);
GALLOCY_OLD_NAME(fscanf, "__isoc99_fscanf", FILE*, const char*, ...);
GALLOCY_OLD_NAME(vscanf, "__isoc99_vscanf", const char*, va_list);
GALLOCY_OLD_NAME(vfscanf, "__isoc99_vfscanf", FILE*, const char*, va_list);
GALLOCY_OLD_NAME(__vfscanf, "__isoc99_vfscanf", FILE*, const char*, va_list);
GALLOCY_OLD_NAME(wscanf, "__isoc99_wscanf", const wchar_t*, ...);
GALLOCY_OLD_NAME(fwscanf, "__isoc99_fwscanf", FILE*, const wchar_t*, ...);
GALLOCY_OLD_NAME(vwscanf, "__isoc99_vwscanf", const wchar_t*, va_list);
GALLOCY_OLD_NAME(vfwscanf, "__isoc99_vfwscanf", FILE*, const wchar_t*, va_list);
GALLOCY_OLD_NAME(_IO_printf, "printf", const char*, ...);
GALLOCY_OLD_NAME(_IO_fprintf, "fprintf", FILE*, const char*, ...);
GALLOCY_OLD_NAME(_IO_vfprintf, "vfprintf", FILE*, const char*, va_list);
