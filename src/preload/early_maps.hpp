// What constructors of libraries have mapped before the job is joined. Like the data that point
// there, it becomes the job's: a window for each, with rank 0's bytes. Other ranks run no such
// constructors, so where the kernel would put it they may have something else: it gets addresses
// that nothing else has.
//
// One thread.
#pragma once

#include <cstdint>
#include <span>

#include "preload/pages.hpp"

namespace gallocy::preload {

struct EarlyMap {
  Range range;
  bool is_written_file;  // a shared map of a file: it can't become the job's
};

inline constexpr std::uint32_t early_map_count_max = 256;

// For a map that may be anywhere. Too much: ends the process with a sentence.
void* early_address(std::size_t size_bytes);

// More than there is room for: ends the process with a sentence.
void note_early_map(Range range, bool is_written_file);
void forget_early_map(Range range);

std::span<const EarlyMap> early_maps();

}  // namespace gallocy::preload
