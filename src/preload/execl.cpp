// execl and its kin. The C library's call its own execve, past ours; that is rank 0's to make.
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(execv)
GALLOCY_REAL(execvp)
GALLOCY_REAL(execve)

using namespace gallocy::preload;

namespace {

constexpr std::size_t argument_count_max = 4096;  // on the stack

// The words of a list up to the null that ends it; false: too many.
bool read_words(const char* first, va_list list, char** words) {
  std::size_t count = 0;
  for (const char* word = first; word != nullptr; word = va_arg(list, const char*)) {
    if (count == argument_count_max) return false;
    words[count++] = const_cast<char*>(word);
  }
  words[count] = nullptr;
  return true;
}

template <class Function>
int execute(const Real<Function>& real, bool fit, const char* file, char** words,
            char** environment = nullptr) {
  if (!fit) {
    errno = E2BIG;
    return -1;
  }
  const long a = (long)(file), b = (long)(words), c = (long)(environment);
  return static_cast<int>(is_away() ? call_on_first(real.any(), a, b, c, 0, 0, 0)
                                    : real.any()(a, b, c, 0, 0, 0));
}

}  // namespace

#define GALLOCY_READ_WORDS(first) \
  char* words[argument_count_max + 1]; \
  va_list list; \
  va_start(list, first); \
  const bool fit = read_words(first, list, words)

GALLOCY_TAKES int execl(const char* path, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  va_end(list);
  return execute(real::execv, fit, path, words);
}

GALLOCY_TAKES int execlp(const char* file, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  va_end(list);
  return execute(real::execvp, fit, file, words);
}

GALLOCY_TAKES int execle(const char* path, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  char** environment = va_arg(list, char**);
  va_end(list);
  return execute(real::execve, fit, path, words, environment);
}
