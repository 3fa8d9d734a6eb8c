#include "preload/mapping_table.hpp"

#include <search.h>

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "client/memory.hpp"
#include "gallocy/gallocy.h"
#include "preload/item.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constinit MappingTables* g_tables = nullptr;
thread_local constinit Mapping* t_spent = nullptr;  // what goes when the lock is given up

// Outside the region there are none.
std::uint64_t chunk_at(std::uint64_t address) {
  return (address - client::process.region_address) / chunk_bytes;
}
bool is_in_region(std::uint64_t address) {
  return address - client::process.region_address < client::process.region_size_bytes;
}

unsigned table_at(std::uint64_t address) {
  return is_in_region(address) ? g_tables->rank_of_chunk[chunk_at(address)] : 0;
}

void take_out(Mapping& mapping) { take_out(mapping_table_at(mapping.begin).mappings, mapping); }

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
  if (Mapping* before = first_mapping(mapping.begin - page_bytes, mapping.begin);
      is_unused_part(before, mapping)) {
    const std::uint64_t begin = before->begin;
    remove(*before);
    mapping.begin = begin;
  }
  if (Mapping* after = first_mapping(mapping.end, mapping.end + page_bytes);
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
  visit.function(static_cast<Mapping&>(**static_cast<Range* const*>(node)), visit.context);
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

bool make_mapping_directory(MappingTables& tables) {
  const std::size_t chunk_count = client::process.region_size_bytes / chunk_bytes;
  tables.rank_of_chunk = static_cast<std::uint8_t*>(gallocy_calloc(chunk_count, 1));
  return tables.rank_of_chunk != nullptr;
}

bool add_mapping_table(MappingTables& tables) {
  g_tables = &tables;
  auto*& own = tables.of_rank[client::process.rank];
  own = static_cast<MappingTable*>(client::zeroed_pages(sizeof(MappingTable)));
  return own != nullptr;
}

std::uint64_t own_mapping_table() { return std::uint64_t{1} << client::process.rank; }

std::uint64_t all_mapping_tables() {
  return ~std::uint64_t{0} >> (mapping_table_count_max - client::process.rank_count);
}

MappingTable& mapping_table_at(std::uint64_t address) {
  return *g_tables->of_rank[table_at(address)];
}

std::uint64_t end_of_mapping_table(Range range) {
  const unsigned table = table_at(range.begin);
  std::uint64_t at = range.begin;
  while (at < range.end && table_at(at) == table) at = (at / chunk_bytes + 1) * chunk_bytes;
  return std::min(at, range.end);
}

std::uint64_t mapping_tables_of(Range range) {
  std::uint64_t tables = 0;
  for (std::uint64_t at = range.begin; at < range.end; at = end_of_mapping_table({at, range.end}))
    tables |= std::uint64_t{1} << table_at(at);
  return tables;
}

void note_block(Range block) {
  const auto own = static_cast<std::uint8_t>(client::process.rank);
  for (std::uint64_t at = chunk_at(block.begin); at <= chunk_at(block.end - 1); ++at)
    if (g_tables->rank_of_chunk[at] != own) g_tables->rank_of_chunk[at] = own;
}

// Always in this order, so that no two wait for each other.
MappingsLock::MappingsLock(std::uint64_t tables) : tables_(is_application() ? tables : 0) {
  for (unsigned table = 0; table < mapping_table_count_max; ++table)
    if ((tables_ >> table & 1) != 0) gallocy_pthread_mutex_lock(&g_tables->of_rank[table]->lock);
}

MappingsLock::~MappingsLock() {
  Mapping* spent = std::exchange(t_spent, nullptr);
  for (unsigned table = 0; table < mapping_table_count_max; ++table)
    if ((tables_ >> table & 1) != 0) gallocy_pthread_mutex_unlock(&g_tables->of_rank[table]->lock);
  free_blocks(spent);
}

Mapping* first_mapping(std::uint64_t begin, std::uint64_t end) {
  while (begin < end) {
    const std::uint64_t end_of_this = end_of_mapping_table({begin, end});
    Range* found = find_first(mapping_table_at(begin).mappings, {begin, end_of_this});
    if (found != nullptr) return static_cast<Mapping*>(found);
    begin = end_of_this;
  }
  return nullptr;
}

Mapping& add_mapping(const Mapping& mapping) {
  auto& added = make_item<Mapping>();
  added = mapping;
  insert(mapping_table_at(added.begin).mappings, added);
  return added;
}

void split_mapping(std::uint64_t at) {
  Mapping* mapping = first_mapping(at, at + page_bytes);
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
  mapping.next_spent = std::exchange(t_spent, &mapping);
}

void each_mapping(void (*visit)(Mapping& mapping, void* context), void* context) {
  Visit all{visit, context};
  for (unsigned rank = 0; rank < client::process.rank_count; ++rank)
    ::twalk_r(g_tables->of_rank[rank]->mappings.root, visit_node, &all);
}

}  // namespace gallocy::preload
