// execve and its kin. It is rank 0's to make. Whatever runs from then on is not preloaded, which is
// told once: a script may have been started for nothing else.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/file_maps.hpp"
#include "preload/forward.hpp"
#include "preload/real.hpp"
#include "preload/refused.hpp"

GALLOCY_REAL(execv)
GALLOCY_REAL(execvp)
GALLOCY_REAL(execvpe)
GALLOCY_REAL(execve)
GALLOCY_REAL(fexecve)
GALLOCY_REAL(execveat)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

constexpr std::size_t argument_count_max = 4096;  // on the stack

constinit std::atomic<bool> g_said = false;

bool is_executable(const char* path) { return ::access(path, X_OK) == 0; }

bool is_in_search_path(const char* file) {
  const char* folders = ::getenv("PATH");
  for (const char* folder = folders != nullptr ? folders : "/bin:/usr/bin";;) {
    const char* end = ::strchrnul(folder, ':');
    const std::string_view name{folder, static_cast<std::size_t>(end - folder)};
    if (is_executable(FixedText<4096>(name, name.empty() ? "" : "/", file).c_str())) return true;
    if (*end == '\0') return false;
    folder = end + 1;
  }
}

void tell(const char* name) {
  if (is_child() || g_said.exchange(true)) return;
  client::say(Sentence("gallocy: ", name, " takes the place of this program by exec and is not "
                       "shared: it runs on one node; name it to gallocy-run itself\n"));
}

struct Execution {
  AnyFunction* function;
  long arguments[3];
  const char* name;
  bool is_searched;  // for in PATH, if it has no slash
};

// A shell tries one folder after the other, and most have no such file.
bool can_be_made(const Execution& execution) {
  if (execution.name == nullptr) return false;
  if (!execution.is_searched || ::strchr(execution.name, '/') != nullptr)
    return is_executable(execution.name);
  return is_in_search_path(execution.name);
}

long make(long given, long, long, long, long, long) {
  const auto& execution = *reinterpret_cast<const Execution*>(given);
  if (const client::ErrnoKeeper keeper; can_be_made(execution)) tell(execution.name);
  if (!is_child()) write_all_back();  // the kernel would have it in the files
  const long* a = execution.arguments;
  return execution.function(a[0], a[1], a[2], 0, 0, 0);
}

template <class Function, class File>
int execute(const Real<Function>& real, File file, char* const* words, char* const* environment,
            const char* name, bool is_searched) {
  const Execution execution{real.any(), {(long)(file), (long)(words), (long)(environment)}, name,
                            is_searched};
  const long* a = execution.arguments;
  const long given = reinterpret_cast<long>(&execution);
  if (!is_application()) return static_cast<int>(execution.function(a[0], a[1], a[2], 0, 0, 0));
  return static_cast<int>(is_away() ? call_on_first_with_mask(make, given, 0, 0, 0, 0, 0)
                                    : make(given, 0, 0, 0, 0, 0));
}

// The words of a list up to the null that ends it; false: too many.
bool read_words(const char* first, va_list list, char** words) {
  std::size_t count = 0;
  for (const char* word = first; word != nullptr; word = va_arg(list, const char*)) {
    if (count == argument_count_max) {
      errno = E2BIG;
      return false;
    }
    words[count++] = const_cast<char*>(word);
  }
  words[count] = nullptr;
  return true;
}

}  // namespace

GALLOCY_TAKES int execve(const char* path, char* const* words, char* const* environment) noexcept {
  return execute(real::execve, path, words, environment, path, false);
}

GALLOCY_TAKES int execv(const char* path, char* const* words) noexcept {
  return execute(real::execv, path, words, nullptr, path, false);
}

GALLOCY_TAKES int execvp(const char* file, char* const* words) noexcept {
  return execute(real::execvp, file, words, nullptr, file, true);
}

GALLOCY_TAKES int execvpe(const char* file, char* const* words, char* const* environment) noexcept {
  return execute(real::execvpe, file, words, environment, file, true);
}

GALLOCY_TAKES int fexecve(int fd, char* const* words, char* const* environment) noexcept {
  const FixedText<32> path("/proc/self/fd/", fd);
  return execute(real::fexecve, fd, words, environment, path.c_str(), false);
}

GALLOCY_TAKES int execveat(int folder, const char* path, char* const* words,
                           char* const* environment, int flags) noexcept {
  if (!is_application()) return real::execveat(folder, path, words, environment, flags);
  const bool is_descriptor = path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0;
  const bool is_path = folder == AT_FDCWD || path[0] == '/';
  if (is_descriptor) return ::fexecve(folder, words, environment);
  if (is_path) return ::execve(path, words, environment);
  const FixedText<4096> whole("/proc/self/fd/", folder, "/", path);
  return ::execve(whole.c_str(), words, environment);
}

// The C library's own call its execve, past ours.

#define GALLOCY_READ_WORDS(first) \
  char* words[argument_count_max + 1]; \
  va_list list; \
  va_start(list, first); \
  const bool fit = read_words(first, list, words)

GALLOCY_TAKES int execl(const char* path, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  va_end(list);
  return fit ? ::execv(path, words) : -1;
}

GALLOCY_TAKES int execlp(const char* file, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  va_end(list);
  return fit ? ::execvp(file, words) : -1;
}

GALLOCY_TAKES int execle(const char* path, const char* first, ...) noexcept {
  GALLOCY_READ_WORDS(first);
  char** environment = fit ? va_arg(list, char**) : nullptr;
  va_end(list);
  return fit ? ::execve(path, words, environment) : -1;
}
