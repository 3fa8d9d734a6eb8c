#include "preload/early_maps.hpp"

#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

constexpr std::uint64_t area_begin = 0x5600'0000'0000, area_end = 0x5700'0000'0000;

constinit std::uint64_t g_next = area_begin;
constinit EarlyMap g_maps[early_map_count_max];
constinit std::uint32_t g_count = 0;

void add(const EarlyMap& map) {
  if (map.range.begin >= map.range.end) return;
  if (g_count == early_map_count_max)
    refuse(Sentence("libraries have mapped more than ", early_map_count_max,
                    " pieces of memory before main()").c_str());
  g_maps[g_count++] = map;
}

}  // namespace

void* early_address(std::size_t size_bytes) {
  if (size_bytes > area_end - g_next)
    refuse("libraries have mapped more than 1 TiB before main(), which is not supported");
  const std::uint64_t address = g_next;
  g_next += page_up(size_bytes);
  return reinterpret_cast<void*>(address);
}

void note_early_map(Range range, bool is_written_file) {
  forget_early_map(range);
  add({range, is_written_file});
}

void forget_early_map(Range range) {
  for (std::uint32_t i = g_count; i-- > 0;) {
    const EarlyMap map = g_maps[i];
    if (map.range.begin >= range.end || map.range.end <= range.begin) continue;
    g_maps[i] = g_maps[--g_count];
    add({{map.range.begin, range.begin}, map.is_written_file});
    add({{range.end, map.range.end}, map.is_written_file});
  }
}

std::span<const EarlyMap> early_maps() { return {g_maps, g_count}; }

}  // namespace gallocy::preload
