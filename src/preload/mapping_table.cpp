#include "preload/mapping_table.hpp"

#include <search.h>

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "gallocy/gallocy.h"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constinit MappingTable* g_table = nullptr;
constinit Mapping* g_spent = nullptr;  // of who has the lock, if that is in this process

// Mappings in the tree don't overlap, so those that do are what is looked for.
int compare(const void* one, const void* other) {
  const auto& a = *static_cast<const Mapping*>(one);
  const auto& b = *static_cast<const Mapping*>(other);
  if (a.end <= b.begin) return -1;
  return a.begin >= b.end ? 1 : 0;
}

Mapping* find(std::uint64_t begin, std::uint64_t end) {
  const Mapping wanted = of_block({begin, end}, {}, 0);
  void* node = ::tfind(&wanted, &g_table->root, compare);
  return node == nullptr ? nullptr : *static_cast<Mapping**>(node);
}

void take_out(Mapping& mapping) { ::tdelete(&mapping, &g_table->root, compare); }

void remove(Mapping& mapping) {
  take_out(mapping);
  gallocy_free(&mapping);
}

void free_blocks(Mapping* spent) {
  while (spent != nullptr) {
    Mapping* next = spent->next_spent;
    gallocy_free(reinterpret_cast<void*>(spent->block_begin));
    gallocy_free(spent);
    spent = next;
  }
}

bool is_unused_part(const Mapping* mapping, const Mapping& of) {
  return mapping != nullptr && mapping->use_count == 0 && mapping->block_begin == of.block_begin;
}

// So that a block which is unmapped page by page needs one look each.
void merge_with_neighbours(Mapping& mapping) {
  if (Mapping* before = find(mapping.begin - page_bytes, mapping.begin);
      is_unused_part(before, mapping)) {
    const std::uint64_t begin = before->begin;
    remove(*before);
    mapping.begin = begin;
  }
  if (Mapping* after = find(mapping.end, mapping.end + page_bytes);
      is_unused_part(after, mapping)) {
    const std::uint64_t end = after->end;
    remove(*after);
    mapping.end = end;
  }
}

struct Visit {
  void (*function)(Mapping& mapping, void* context);
  void* context;
};

void visit_node(const void* node, VISIT when, void* given) {
  if (when != postorder && when != leaf) return;
  const auto& visit = *static_cast<const Visit*>(given);
  visit.function(**static_cast<Mapping* const*>(node), visit.context);
}

}  // namespace

Mapping of_block(Range range, Range block, std::uint32_t use_count) {
  Mapping mapping{};
  mapping.begin = range.begin;
  mapping.end = range.end;
  mapping.block_begin = block.begin;
  mapping.block_end = block.end;
  mapping.use_count = use_count;
  return mapping;
}

Mapping part_of(const Mapping& mapping, std::uint64_t begin, std::uint64_t end) {
  Mapping part = mapping;
  part.begin = std::max(begin, mapping.begin);
  part.end = std::min(end, mapping.end);
  const std::uint64_t before_bytes = part.begin - mapping.begin;
  if (part.is_file()) part.file_address += before_bytes;
  if (part.is_file()) part.offset += static_cast<off_t>(before_bytes);
  if (part.twin_address != 0) part.twin_address += before_bytes;
  return part;
}

void set_mapping_table(MappingTable& table) { g_table = &table; }

MappingsLock::MappingsLock() {
  if (is_application()) gallocy_pthread_mutex_lock(&g_table->lock);
}

MappingsLock::~MappingsLock() {
  Mapping* spent = std::exchange(g_spent, nullptr);
  if (is_application()) gallocy_pthread_mutex_unlock(&g_table->lock);
  free_blocks(spent);
}

Mapping* first_mapping(std::uint64_t begin, std::uint64_t end) {
  Mapping* found = nullptr;
  while (begin < end) {
    Mapping* earlier = find(begin, end);
    if (earlier == nullptr) break;
    found = earlier;
    end = found->begin;
  }
  return found;
}

Mapping& add_mapping(const Mapping& mapping) {
  auto* added = static_cast<Mapping*>(gallocy_malloc(sizeof mapping));
  if (added == nullptr) refuse(gallocy_last_error());
  *added = mapping;
  if (::tsearch(added, &g_table->root, compare) == nullptr) refuse(gallocy_last_error());
  return *added;
}

void split_mapping(std::uint64_t at) {
  Mapping* mapping = find(at, at + page_bytes);
  if (mapping == nullptr || mapping->begin == at) return;
  const Mapping rest = part_of(*mapping, at, mapping->end);
  mapping->end = at;
  add_mapping(rest);
}

void retire_mapping(Mapping& mapping) {
  if (mapping.block_begin == 0) return remove(mapping);
  mapping = of_block({mapping.begin, mapping.end}, {mapping.block_begin, mapping.block_end}, 0);
  merge_with_neighbours(mapping);
  if (mapping.begin != mapping.block_begin || mapping.end != mapping.block_end) return;
  take_out(mapping);
  mapping.next_spent = std::exchange(g_spent, &mapping);
}

void each_mapping(void (*visit)(Mapping& mapping, void* context), void* context) {
  Visit all{visit, context};
  ::twalk_r(g_table->root, visit_node, &all);
}

}  // namespace gallocy::preload
