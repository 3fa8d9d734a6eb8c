#include "preload/remap.hpp"

#include <errno.h>

#include <algorithm>

#include "preload/mapped.hpp"
#include "preload/protections.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

// The file of a mapping that is about to be moved: the kernel makes it as long as `size_bytes`, and
// the mapping has none any more. 0 or errno.
int take_file(Mapping& mapping, std::size_t size_bytes, FileMap& file) {
  if (!mapping.is_file()) return 0;
  at_first([&] {
    write_back(mapping, MS_ASYNC);
    file.address = resize_file_map(mapping.file_address, mapping.size_bytes(), size_bytes);
    if (file.address == 0) return;
    mapping.file_address = 0;
    forget_file(mapping);
  });
  return file.address != 0 ? 0 : ENOMEM;
}

void copy_kept(Range to, Range from) {
  const Opened source(from), copy(to);
  copy_pages(to.pointer(), from.pointer(), std::min(from.size_bytes(), to.size_bytes()));
}

// What the program sees in `from`, which is a mapping, it sees in `to`, and what is more of a file
// or zeros behind it.
int move(Range from, Range to) {
  split_at_ends(from);
  Mapping& old = *first_mapping(from.begin, from.end);
  Contents contents{old.is_shared, old.twin_address != 0, {0, old.device, old.inode}, old.offset};
  if (const int error = take_file(old, to.size_bytes(), contents.file); error != 0)
    return unmap(to), error;
  place(to, contents);
  const int error = read_contents(to, contents);
  // What is written back was, just now, and has come from the file again.
  if (!contents.is_written_back) copy_kept(to, from);
  const int failed = protect_pages(to, protection_at(from.begin));
  if (failed != 0 || unmap(from) != 0) refuse("mremap finds no room for one map more");
  return error;
}

// As the kernel has it.
int check(const Remap& asked, Range& from, Range& to) {
  const bool may_move = (asked.flags & MREMAP_MAYMOVE) != 0;
  if ((asked.flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0) return EINVAL;
  if ((asked.is_fixed() && !may_move) || asked.new_bytes == 0) return EINVAL;
  if (!is_at_page(asked.old_address) || !is_at_page(asked.new_address)) return EINVAL;
  if ((asked.flags & MREMAP_DONTUNMAP) != 0 || asked.old_bytes == 0)
    refuse("mremap that leaves the old pages where they are is not supported");
  if (!read_range(asked.old_address, asked.old_bytes, from) ||
      !read_range(asked.new_address, asked.new_bytes, to))
    return ENOMEM;
  return asked.is_fixed() && from.begin < to.end && to.begin < from.end ? EINVAL : 0;
}

int check_movable(Range from) {
  const Mapping* mapping = first_mapping(from.begin, from.end);
  const bool is_whole = mapping != nullptr && mapping->begin <= from.begin &&
                        mapping->end >= from.end && mapping->use_count > 0;
  if (is_whole && mapping->use_count == 1) return has_one_protection(from) ? 0 : EFAULT;
  if (is_whole) refuse("mremap of a file that is mapped twice is not supported");
  if (mapping == nullptr && is_other_memory(from))
    refuse("mremap of what mmap has not given is not supported");
  return EFAULT;
}

}  // namespace

int remap(const Remap& asked, std::uint64_t& address) {
  Range from{}, to{};
  if (const int error = check(asked, from, to); error != 0) return error;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(asked.is_fixed() ? all_mapping_tables()
                                           : own_mapping_table() | mapping_tables_of(from));
  if (const int error = check_movable(from); error != 0) return error;
  if (asked.is_fixed()) {
    empty(to);
  } else if (to.size_bytes() <= from.size_bytes()) {
    address = from.begin;
    return unmap({from.begin + to.size_bytes(), from.end});
  } else {
    if ((asked.flags & MREMAP_MAYMOVE) == 0) return ENOMEM;
    to = take_block(to.size_bytes());
    if (to.size_bytes() == 0) return ENOMEM;
    add_mapping(of_block(to, to, 1));
  }
  address = to.begin;
  return move(from, to);
}

}  // namespace gallocy::preload
