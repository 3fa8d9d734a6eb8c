#include "preload/protections.hpp"

#include <errno.h>
#include <pthread.h>

#include <algorithm>

#include "gallocy/gallocy.h"
#include "preload/forward.hpp"
#include "preload/item.hpp"
#include "preload/mapped.hpp"

namespace gallocy::preload {

namespace {

struct Protection : Range {
  int bits;
};

// Where in blocks of malloc and stacks something was ever closed, by which this process finds
// without a lock that nothing was. Mappings are opened when they are unmapped.
constinit std::atomic<std::uint64_t> g_lowest = ~std::uint64_t{0}, g_end = 0;

void note_closed(Range range) {
  std::uint64_t lowest = g_lowest, end = g_end;
  while (range.begin < lowest && !g_lowest.compare_exchange_weak(lowest, range.begin)) continue;
  while (range.end > end && !g_end.compare_exchange_weak(end, range.end)) continue;
}

bool may_be_closed(Range range) { return range.begin < g_end && range.end > g_lowest; }

Protection* first_in(const MappingTable& table, Range range) {
  return static_cast<Protection*>(find_first(table.protections, range));
}

// Calls visit(part, table) for each part of the range that is of one table.
template <class Visit>
void each_table(Range range, Visit visit) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    const Range part{at, end_of_mapping_table({at, range.end})};
    visit(part, mapping_table_at(at));
    at = part.end;
  }
}

// Calls visit(part, bits) for each part that has one protection, until it returns false.
template <class Visit>
bool each_part(Range range, Visit visit) {
  bool goes_on = true;
  each_table(range, [&](Range of_table, const MappingTable& table) {
    for (std::uint64_t at = of_table.begin; goes_on && at < of_table.end;) {
      const Protection* next = first_in(table, {at, of_table.end});
      const bool is_open = next == nullptr || next->begin > at;
      const std::uint64_t end = next == nullptr ? of_table.end
                                : is_open       ? next->begin
                                                : std::min(next->end, of_table.end);
      goes_on = visit(Range{at, end}, is_open ? open_bits : next->bits);
      at = end;
    }
  });
  return goes_on;
}

// ---- the tables --------------------------------------------------------------------------

void add(MappingTable& table, Range range, int bits) {
  auto& added = make_item<Protection>();
  added = {range, bits};
  insert(table.protections, added);
}

void remove(MappingTable& table, Protection& protection) {
  take_out(table.protections, protection);
  gallocy_free(&protection);
}

// What goes beyond the range at its ends stays.
void forget(MappingTable& table, Range range) {
  while (Protection* there = first_in(table, range)) {
    const Protection whole = *there;
    if (whole.begin < range.begin) there->end = range.begin;
    else remove(table, *there);
    if (whole.end > range.end) add(table, {range.end, whole.end}, whole.bits);
  }
}

// So that a block which is closed page by page is one entry.
Range merge_with_neighbours(MappingTable& table, Range range, int bits) {
  Protection* before = first_in(table, {range.begin - page_bytes, range.begin});
  if (before != nullptr && before->bits == bits) {
    range.begin = before->begin;
    remove(table, *before);
  }
  Protection* after = first_in(table, {range.end, range.end + page_bytes});
  if (after != nullptr && after->bits == bits) {
    range.end = after->end;
    remove(table, *after);
  }
  return range;
}

void note(Range range, int bits) {
  each_table(range, [bits](Range part, MappingTable& table) {
    forget(table, part);
    if (bits != open_bits) add(table, merge_with_neighbours(table, part, bits), bits);
  });
}

// ---- the processes -----------------------------------------------------------------------

constexpr long is_of_blocks = 1 << 8;

int change(Range range, int bits) {
  return ::mprotect(range.pointer(), range.size_bytes(), bits) == 0 ? 0 : errno;
}

// In each rank.
long take_over(long begin, long end, long how, long, long, long) {
  const Range range{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  if ((how & is_of_blocks) != 0) note_closed(range);
  return change(range, static_cast<int>(how & open_bits));
}

int change_on_all(Range range, int bits) {
  const bool of_mappings =
      all_of(range, [](Range, const Mapping* mapping) { return mapping != nullptr; });
  const long how = bits | (of_mappings ? 0 : is_of_blocks);
  return static_cast<int>(call_on_all(take_over, static_cast<long>(range.begin),
                                      static_cast<long>(range.end), how));
}

[[noreturn]] void refuse_change() {
  refuse("the kernel has no room for the maps by which memory is protected (vm.max_map_count)");
}

// A change that failed may have been made in part, and in some ranks.
void change_back(Range range) {
  each_part(range, [](Range part, int bits) {
    if (change_on_all(part, bits) != 0) refuse_change();
    return true;
  });
}

// Of memory that mmap has not given.
void open_range(Range range) {
  if (!is_application() || is_call_on_node() || !may_be_closed(range)) return;
  const client::ErrnoKeeper keeper;
  const MappingsLock lock(mapping_tables_of(range));
  if (protect_pages(range, open_bits) != 0) refuse_change();
}

}  // namespace

int protection_at(std::uint64_t address) {
  const Protection* there =
      first_in(mapping_table_at(address), {address, address + page_bytes});
  return there == nullptr ? open_bits : there->bits;
}

bool has_one_protection(Range range) {
  const int first = protection_at(range.begin);
  return each_part(range, [first](Range, int bits) { return bits == first; });
}

int protect_pages(Range range, int bits) {
  if (each_part(range, [bits](Range, int known) { return known == bits; })) return 0;
  if (const int error = change_on_all(range, bits); error != 0)
    return change_back(range), error;
  note(range, bits);
  return 0;
}

int allow_pages(Range range, int bits) {
  int error = 0;
  for (Range part = range; error == 0 && part.begin < range.end; part = {part.end, range.end}) {
    int known = 0;
    each_part(part, [&](Range first, int bits_of_first) {
      part = first;
      known = bits_of_first;
      return false;
    });
    error = protect_pages(part, known | bits);
  }
  return error;
}

Opened::Opened(Range range) : range_(range) {
  each_part(range_, [](Range part, int bits) {
    if (bits != open_bits && change(part, open_bits) != 0) refuse_change();
    return true;
  });
}

Opened::~Opened() {
  each_part(range_, [](Range part, int bits) {
    if (bits != open_bits && change(part, bits) != 0) refuse_change();
    return true;
  });
}

// Small blocks share their pages with others.
void open_block(void* block) {
  if (!is_application() || g_end == 0) return;
  const std::size_t size_bytes = gallocy_malloc_usable_size(block);
  if (size_bytes < page_bytes) return;
  open_range({page_up(heap::address_of(block)), page_down(heap::address_of(block) + size_bytes)});
}

void open_own_stack() {
  if (g_end == 0) return;
  pthread_attr_t attributes;
  void* stack = nullptr;
  std::size_t size_bytes = 0;
  if (::pthread_getattr_np(client::self.thread, &attributes) != 0) return;
  ::pthread_attr_getstack(&attributes, &stack, &size_bytes);
  ::pthread_attr_destroy(&attributes);
  if (is_shared(stack))
    open_range({heap::address_of(stack), page_down(heap::address_of(stack) + size_bytes)});
}

}  // namespace gallocy::preload
