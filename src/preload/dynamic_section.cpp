#include "preload/dynamic_section.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "preload/stage.hpp"

namespace gallocy::preload {

DynamicSection dynamic_section_of(const dl_phdr_info& info) {
  DynamicSection found;
  Range section{}, read_only{};
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    const std::uint64_t begin = info.dlpi_addr + segment.p_vaddr;
    const std::uint64_t end = begin + segment.p_memsz;
    if (segment.p_type == PT_GNU_RELRO) read_only = {page_down(begin), page_down(end)};
    if (segment.p_type != PT_DYNAMIC) continue;
    section = {page_down(begin), page_up(end)};
    found.is_read_only = (segment.p_flags & PF_W) == 0;
    found.entries = reinterpret_cast<ElfW(Dyn)*>(begin);
  }
  found.closed = found.is_read_only ? section
                                    : Range{std::max(section.begin, read_only.begin),
                                            std::min(section.end, read_only.end)};
  return found;
}

dl_phdr_info info_of(const link_map& object) {
  struct Search {
    const link_map& object;
    dl_phdr_info found;
  } search{object, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        auto& searched = *static_cast<Search*>(context);
        searched.found = *info;
        return dynamic_section_of(*info).entries == searched.object.l_ld ? 1 : 0;
      },
      &search);
  return search.found;
}

void protect(const DynamicSection& section, int protection) {
  const Range& range = section.closed;
  if (range.begin < range.end &&
      ::mprotect(range.pointer(), range.size_bytes(), protection) != 0)
    refuse("what its libraries have to be constructed by can't be changed");
}

}  // namespace gallocy::preload
