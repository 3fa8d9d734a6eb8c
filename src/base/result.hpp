// An expected failure: a positive errno and one sentence that a user can act on. Nothing here
// allocates or throws, so the client library uses it as it is.
#pragma once

#include <cerrno>
#include <cstring>
#include <tl/expected.hpp>

#include "base/remedy.hpp"
#include "base/text.hpp"

namespace gallocy {

struct Error {
  int code = 0;       // positive errno
  Sentence sentence;  // what was being done, what went wrong, the remedy where there is one
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <class... Parts>
tl::unexpected<Error> fail(int code, const Parts&... parts) {
  return tl::unexpected<Error>(Error{code, Sentence(parts...)});
}

// For a system call that has just failed: "<parts>: <name of errno>", and the remedy, if that is a
// limit. The name, not strerror: strerror may allocate and depends on the locale.
template <class... Parts>
tl::unexpected<Error> fail_errno(const Parts&... parts) {
  const int code = errno;
  const char* name = strerrorname_np(code);
  return fail(code, parts..., ": ", name != nullptr ? name : "unknown error",
              remedy_of(code));
}

}  // namespace gallocy
