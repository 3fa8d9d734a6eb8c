// Why gallocy-run can't do what it was asked to: one sentence and the exit status that goes
// with it. Status values follow sysexits.h and the shell.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gallocy::run {

inline constexpr int exit_usage = 64;           // the command line makes no sense
inline constexpr int exit_unavailable = 69;     // this machine lacks something, say userfaultfd
inline constexpr int exit_job_failed = 70;      // a daemon, or a rank other than 0, failed
inline constexpr int exit_timeout = 124;        // as timeout(1)
inline constexpr int exit_not_executable = 126;  // as the shell
inline constexpr int exit_not_found = 127;       // as the shell
inline constexpr int exit_signal_base = 128;     // + the signal's number

struct Refusal {
  int status = exit_job_failed;
  std::string sentence;
};

template <class T>
using Try = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(int status, std::string sentence) {
  return tl::unexpected<Refusal>(Refusal{status, std::move(sentence)});
}

}  // namespace gallocy::run
