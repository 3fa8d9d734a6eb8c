// The variables by which gallocy-run speaks to the ranks that it starts.
//
// The job of a rank is told by GALLOCY_SOCKET, GALLOCY_JOB and GALLOCY_RANK, whoever reads them: a
// program that calls gallocy_init(), or the preload library for one that has never heard of it.
//
// A preloaded program must see none of that, nor give it to its children. So for such a rank
// gallocy-run keeps what a variable that it sets was before, under the same name behind
// saved_prefix: "GALLOCY_SAVED_LD_PRELOAD=libfoo.so". None is kept of one that was not there. When
// the preload library has read what it needs, and before main(), restore_environment() makes the
// environment what it was, entry for entry. Three things are left to it:
// - /proc/self/environ, which is the kernel's, shows the environment of the exec.
// - Address randomisation is off, and a child would inherit that: personality() is set back to
//   persona_variable, which is hexadecimal.
// - In glibc 2.39 and newer a GLIBC_TUNABLES that is ill-formed anywhere does nothing at all, so
//   whether rseq is off has to be looked up (__rseq_size is 0 then).
#pragma once

#include <algorithm>
#include <string_view>

namespace gallocy::ipc {

inline constexpr const char* socket_variable = "GALLOCY_SOCKET";  // of the rank's daemon, a path
inline constexpr const char* job_variable = "GALLOCY_JOB";        // hexadecimal
inline constexpr const char* rank_variable = "GALLOCY_RANK";      // decimal

// Of preloaded ranks only.
inline constexpr const char* persona_variable = "GALLOCY_PERSONALITY";
inline constexpr const char* explain_variable = "GALLOCY_EXPLAIN";    // "1": say what is shared
inline constexpr const char* preload_variable = "LD_PRELOAD";
inline constexpr const char* binding_variable = "LD_BIND_NOW";
inline constexpr const char* tunables_variable = "GLIBC_TUNABLES";

inline constexpr std::string_view hidden_variables[] = {
    socket_variable,  job_variable,     rank_variable,     persona_variable,
    preload_variable, binding_variable, tunables_variable, explain_variable,
};
inline constexpr std::string_view saved_prefix = "GALLOCY_SAVED_";

inline constexpr const char* preload_library_name = "libgallocy-preload.so";

// "NAME" of "NAME=value".
inline std::string_view name_of(std::string_view entry) {
  return {entry.data(), std::min(entry.find('='), entry.size())};
}

// What stood there before: the end of the text that keeps it. nullptr: nothing.
inline char* saved_entry(char** environment, std::string_view name) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (entry.size() <= saved_prefix.size() || !entry.starts_with(saved_prefix)) continue;
    char* const saved = *environment + saved_prefix.size();
    if (name_of(saved) == name) return saved;
  }
  return nullptr;
}

// Changes the list, which nullptr ends, in place; the texts stay where they are. What is kept of an
// entry must come behind it. Allocates nothing and calls nothing.
inline void restore_environment(char** environment) {
  char** kept = environment;
  for (char** next = environment; *next != nullptr; ++next) {
    const std::string_view name = name_of(*next);
    if (name.starts_with(saved_prefix)) continue;
    char* entry = *next;
    if (std::find(std::begin(hidden_variables), std::end(hidden_variables), name) !=
        std::end(hidden_variables))
      entry = saved_entry(next, name);
    if (entry != nullptr) *kept++ = entry;
  }
  *kept = nullptr;
}

}  // namespace gallocy::ipc
