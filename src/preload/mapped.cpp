#include "preload/mapped.hpp"

#include <sys/mman.h>

#include <utility>

#include "client/memory.hpp"
#include "heap/layout.hpp"
#include "preload/protections.hpp"
#include "preload/stacks.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

void forget_contents(Mapping& mapping) {
  if (!mapping.is_file()) return;
  at_first([&mapping] {
    write_back(mapping, MS_ASYNC);
    forget_file(mapping);
  });
}

// What the chunks behind the first of a large block hold is the program's, and only that is closed.
bool is_closed(const heap::ChunkHeader* chunk) {
  return protection_at(heap::address_of(chunk)) == PROT_NONE || is_in_stack(chunk);
}

// Of a page that was handed out: whether it is of a block, and not the heap's own or free.
bool is_in_block(std::uint64_t address) {
  const heap::ChunkHeader* chunk = heap::chunk_of(reinterpret_cast<void*>(address));
  if (is_closed(chunk)) return true;
  if (chunk->mark != heap::mark_of(chunk)) return true;
  const std::uint64_t page = address % chunk_bytes / page_bytes;
  if (chunk->kind == heap::ChunkKind::large_block) return page >= chunk->block_page;
  const heap::PageKind kind = chunk->pages[page].kind;
  return kind == heap::PageKind::run || kind == heap::PageKind::small_span;
}

bool is_in_blocks(Range range) {
  for (std::uint64_t at = range.begin; at < range.end; at += page_bytes)
    if (!client::was_handed_out(at) || !is_in_block(at)) return false;
  return true;
}

void look_for_same(Mapping& mapping, void* given) {
  auto& wanted = *static_cast<SameFile*>(given);
  if (!mapping.is_file() || !mapping.is_shared || mapping.device != wanted.file.device ||
      mapping.inode != wanted.file.inode)
    return;
  const off_t end = mapping.offset + static_cast<off_t>(mapping.size_bytes());
  if (end <= wanted.begin || mapping.offset >= wanted.end) return;
  ++wanted.count;
  wanted.is_writable |= mapping.twin_address != 0;
  if (mapping.offset <= wanted.begin && wanted.end <= end) wanted.containing = &mapping;
}

Range noted_block(const void* block, std::size_t size_bytes) {
  if (block == nullptr) return say_no_room(size_bytes), Range{0, 0};
  const Range range{heap::address_of(block), heap::address_of(block) + size_bytes};
  note_block(range);
  return range;
}

}  // namespace

bool is_other_memory(Range range) {
  while (range.begin < range.end) {
    const client::OwnRun run = client::own_run_of(range.begin, range.size_bytes());
    if (!client::in_region(reinterpret_cast<void*>(run.address), run.size_bytes)) return false;
    const bool is_window = run.address != range.begin;
    if (!is_window && !is_in_blocks({range.begin, range.begin + run.size_bytes})) return false;
    range.begin += run.size_bytes;
  }
  return true;
}

bool is_mapped(Range range) {
  return all_of(range, [](Range part, const Mapping* mapping) {
    return mapping != nullptr ? mapping->use_count > 0 : is_other_memory(part);
  });
}

bool is_unmapped(Range range) {
  return all_of(range, [](Range, const Mapping* mapping) {
    return mapping != nullptr && mapping->use_count == 0;
  });
}

void split_at_ends(Range range) {
  split_mapping(range.begin);
  split_mapping(range.end);
}

void clear_mapped(Range range) {
  const Opened opened(range);
  clear_pages(range);
}

int unmap(Range range) {
  split_at_ends(range);
  int error = 0;
  all_of(range, [&error](Range part, Mapping* mapping) {
    if (mapping != nullptr && mapping->use_count == 1) error = protect_pages(part, open_bits);
    return error == 0;
  });
  if (error != 0) return error;
  all_of(range, [](Range, Mapping* mapping) {
    if (mapping == nullptr || mapping->use_count == 0) return true;
    if (--mapping->use_count > 0) return true;
    forget_contents(*mapping);
    retire_mapping(*mapping);
    return true;
  });
  return 0;
}

Range take_block(std::size_t size_bytes) {
  return noted_block(client::zeroed_pages(size_bytes), size_bytes);
}

Range take_sparse_block(std::size_t size_bytes) {
  return noted_block(client::sparse_pages(size_bytes), size_bytes);
}

void empty(Range range) {
  split_at_ends(range);
  const bool is_own = all_of(range, [](Range part, Mapping* mapping) {
    if (mapping == nullptr) return is_other_memory(part);
    if (mapping->use_count > 1) refuse("a map over a file that is mapped twice is not supported");
    forget_contents(*mapping);
    return true;
  });
  if (!is_own) refuse("mmap at a fixed address outside its own memory is not supported");
  clear_mapped(range);
}

void place(Range range, const Contents& contents) {
  all_of(range, [&](Range part, Mapping* mapping) {
    const std::uint64_t before_bytes = part.begin - range.begin;
    if (mapping == nullptr && !contents.is_file()) return true;
    if (mapping == nullptr)
      mapping = &add_mapping(of_block(part, {}, 1));
    mapping->use_count = 1;
    mapping->is_shared = contents.is_shared;
    if (!contents.is_file()) return true;
    mapping->file_address = contents.file.address + before_bytes;
    mapping->device = contents.file.device;
    mapping->inode = contents.file.inode;
    mapping->offset = contents.offset + static_cast<off_t>(before_bytes);
    return true;
  });
}

int read_contents(Range range, const Contents& contents) {
  if (!contents.is_file()) return 0;
  int error = 0;
  all_of(range, [&](Range, Mapping* mapping) {
    at_first([&] { error = read_new_file(*mapping, contents.is_written_back); });
    return error == 0;
  });
  return error;
}

SameFile same_file(const FileMap& file, off_t offset, std::size_t size_bytes) {
  SameFile wanted{file, offset, offset + static_cast<off_t>(size_bytes)};
  each_mapping(look_for_same, &wanted);
  return wanted;
}

int map_again(const SameFile& same, Contents contents, int bits, std::uint64_t& address) {
  address = same.containing->begin +
            static_cast<std::uint64_t>(same.begin - same.containing->offset);
  split_at_ends({address, address + same.size_bytes()});
  Mapping& mapping = *first_mapping(address, address + page_bytes);
  int error = 0;
  at_first([&] {
    // While nobody may store there, it may as well be as new.
    if (mapping.twin_address == 0) read_file(mapping);
    if (mapping.twin_address == 0 && contents.is_written_back) {
      // It may have been opened for reading only when it was mapped first.
      std::swap(mapping.file_address, contents.file.address);
      error = make_writable(mapping);
    }
    close_file_map(contents.file.address, same.size_bytes());
  });
  if (error == 0) error = allow_pages({mapping.begin, mapping.end}, bits);
  if (error == 0) ++mapping.use_count;
  return error;
}

void refuse_overlap() {
  refuse("shared maps of one file that overlap are not supported, where one of them may be "
         "written, unless one is inside the other");
}

}  // namespace gallocy::preload
