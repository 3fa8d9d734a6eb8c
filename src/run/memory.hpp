// What is said of the memory of this machine, where all private daemons are.
#pragma once

#include <cstdint>
#include <string>

#include "base/usable_memory.hpp"

namespace gallocy::run {

// A warning, if so many daemons could fill more than there is; empty if not. No refusal: the bound
// is of what is handed out, and a sparse program touches little of that.
std::string more_than_usable(std::uint64_t memory_bytes, unsigned daemon_count,
                             const MemoryLimit& usable);

// How many processes the kernel has killed for lack of memory since it was booted: of the machine,
// or of a control group.
std::uint64_t out_of_memory_kill_count();

// Why a process that was killed may have been, and what to do.
inline constexpr const char* out_of_memory_hint =
    "the kernel has killed a process for lack of memory meanwhile: give a smaller --memory, or run "
    "where there is more";

}  // namespace gallocy::run
