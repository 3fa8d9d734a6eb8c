// What lifts the limit that a system call ran into.
#pragma once

#include <cerrno>

namespace gallocy {

// For the errno of an error that only a limit makes, to be put behind its name; else empty.
constexpr const char* remedy_of(int code) {
  switch (code) {
    case EMFILE: return "; raise the limit of open files: ulimit -n 1024";
    case ENFILE: return "; raise this machine's limit of open files: sysctl fs.file-max";
    case EFBIG: return "; lift the limit of file sizes: ulimit -f unlimited";
    default: return "";
  }
}

// Of fork and of what makes threads, where EAGAIN is not of something that will be there soon.
constexpr const char* remedy_of_no_process(int code) {
  return code == EAGAIN ? ": EAGAIN; raise the limit of processes and threads: ulimit -u 4096, or "
                          "pids.max of the control group"
                        : "";
}

// No error tells of this one: the process crashes.
inline constexpr const char* stack_remedy = "; raise the limit of stacks: ulimit -s 8192";

constexpr bool is_of_a_limit(int code) { return *remedy_of(code) != '\0'; }

}  // namespace gallocy
