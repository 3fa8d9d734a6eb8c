// Why gallocy-run can't do what it was asked to: one sentence and the exit status that goes
// with it. Status values follow sysexits.h and the shell.
#pragma once

#include <string.h>

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/remedy.hpp"

namespace gallocy::run {

inline constexpr int exit_usage = 64;           // the command line makes no sense
inline constexpr int exit_unavailable = 69;     // this machine lacks something, say userfaultfd
inline constexpr int exit_job_failed = 70;      // a daemon, or a rank other than 0, failed or ended
inline constexpr int exit_timeout = 124;        // as timeout(1)
inline constexpr int exit_not_executable = 126;  // as the shell
inline constexpr int exit_not_found = 127;       // as the shell
inline constexpr int exit_signal_base = 128;     // + the signal's number

struct Refusal {
  int status = exit_job_failed;
  std::string sentence;
};

// Of an errno, with the remedy where that is a limit.
inline std::string describe_error(int error) {
  return std::string{::strerrordesc_np(error)} + remedy_of(error);
}

template <class T>
using Try = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(int status, std::string sentence) {
  return tl::unexpected<Refusal>(Refusal{status, std::move(sentence)});
}

// For a system call of our own that has just failed.
inline tl::unexpected<Refusal> refuse_errno(std::string what) {
  const int error = errno;
  return refuse(is_of_a_limit(error) ? exit_unavailable : exit_job_failed,
                std::move(what) + ": " + describe_error(error));
}

}  // namespace gallocy::run
