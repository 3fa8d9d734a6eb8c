// What makes processes, by rank 0: they inherit the caller's mask of signals, which is not its
// proxy's.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <wordexp.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(posix_spawn)
GALLOCY_REAL(posix_spawnp)
GALLOCY_REAL(system)
GALLOCY_REAL(popen)
GALLOCY_REAL(wordexp)

using namespace gallocy::preload;

GALLOCY_TAKES int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* files,
                              const posix_spawnattr_t* attributes, char* const* words,
                              char* const* environment) {
  return by_first<call_on_first_with_mask>(real::posix_spawn, pid, path, files, attributes, words,
                                           environment);
}
GALLOCY_TAKES int posix_spawnp(pid_t* pid, const char* file,
                               const posix_spawn_file_actions_t* files,
                               const posix_spawnattr_t* attributes, char* const* words,
                               char* const* environment) {
  return by_first<call_on_first_with_mask>(real::posix_spawnp, pid, file, files, attributes, words,
                                           environment);
}
GALLOCY_TAKES int system(const char* command) {
  return by_first<call_on_first_with_mask>(real::system, command);
}
GALLOCY_TAKES FILE* popen(const char* command, const char* mode) {
  return by_first<call_on_first_with_mask>(real::popen, command, mode);
}
GALLOCY_TAKES int wordexp(const char* words, wordexp_t* found, int flags) {
  return by_first<call_on_first_with_mask>(real::wordexp, words, found, flags);
}
