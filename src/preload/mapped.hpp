// Changes of what the program has mapped, as mmap and its kin make them. REQUIRES, for all of it:
// the table's lock (mapping_table.hpp), in a thread of the program.
#pragma once

#include <algorithm>

#include "preload/file_maps.hpp"
#include "preload/forward.hpp"
#include "preload/pages.hpp"

namespace gallocy::preload {

// In rank 0's process. What the work refers to is on the caller's stack, which is the job's.
template <class Work>
void at_first(Work work) {
  if (!is_away()) return work();
  AnyFunction* there = [](long given, long, long, long, long, long) -> long {
    (*reinterpret_cast<Work*>(given))();
    return 0;
  };
  call_on_first(there, reinterpret_cast<long>(&work), 0, 0, 0, 0, 0);
}

// Calls visit(part, mapping) for each part of the range that is of one mapping, or of none
// (nullptr), until it returns false. It may change that mapping.
template <class Visit>
bool all_of(Range range, Visit visit) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    Mapping* mapping = first_mapping(at, range.end);
    const bool is_gap = mapping == nullptr || mapping->begin > at;
    const std::uint64_t end = mapping == nullptr ? range.end
                              : is_gap           ? mapping->begin
                                                 : std::min(mapping->end, range.end);
    if (!visit(Range{at, end}, is_gap ? nullptr : mapping)) return false;
    at = end;
  }
  return true;
}

// Memory of the job that mmap has not given: the program's data, stacks, blocks of malloc.
bool is_other_memory(Range range);

// All of it is memory that the program has.
bool is_mapped(Range range);

// All of it is what the program has unmapped of blocks that it has.
bool is_unmapped(Range range);

// What lies in a mapping.
struct Contents {
  bool is_shared = false;
  bool is_written_back = false;
  FileMap file;
  off_t offset = 0;

  bool is_file() const { return file.address != 0; }
};

// A block of its own, of zeros, which is in no table yet. Empty: no room. Without the lock, where
// that can be: it may take a while.
Range take_block(std::size_t size_bytes);
// As before. Of its memory only what is touched counts.
Range take_sparse_block(std::size_t size_bytes);

// Makes zeros of all of the range, to be mapped anew in place of what it is: the pages are shared
// already, so only what lies in them changes. Ends the job if they are not.
void empty(Range range);

// Says what lies there. REQUIRES: empty(range), or a fresh block's mapping.
void place(Range range, const Contents& contents);

// Brings the bytes there, if it is a file. 0 or errno. REQUIRES: it has been placed, and zeros are
// there.
int read_contents(Range range, const Contents& contents);

// Zeros, whatever the program may do there.
void clear_mapped(Range range);

// 0, or ENOMEM: then all is as before.
int unmap(Range range);

// No mapping has pages on both sides of an end.
void split_at_ends(Range range);

// Shared maps of a part of a file.
struct SameFile {
  FileMap file;
  off_t begin, end;
  Mapping* containing = nullptr;  // one that has all of it
  std::uint32_t count = 0;        // that have some of it
  bool is_writable = false;       // one of them

  std::size_t size_bytes() const { return static_cast<std::size_t>(end - begin); }
};
SameFile same_file(const FileMap& file, off_t offset, std::size_t size_bytes);

// Maps it at the address where it is mapped already: it is the same memory, which may then be used
// as either map says. 0 or errno.
int map_again(const SameFile& same, Contents contents, int bits, std::uint64_t& address);

[[noreturn]] void refuse_overlap();

}  // namespace gallocy::preload
