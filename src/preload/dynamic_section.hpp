// The table by which an object tells the dynamic linker what to do with it.
#pragma once

#include <link.h>

#include "preload/pages.hpp"

namespace gallocy::preload {

struct DynamicSection {
  ElfW(Dyn)* entries = nullptr;  // ends with DT_NULL; nullptr: the object has none
  bool is_read_only = false;  // by its segment
  Range closed{};  // what of it is read-only when the linker has relocated the object
};
DynamicSection dynamic_section_of(const dl_phdr_info& info);

// What dl_iterate_phdr tells of a loaded object. REQUIRES: it stays loaded meanwhile.
dl_phdr_info info_of(const link_map& object);

// A value of mprotect. Ends the process with a sentence if that can't be.
void protect(const DynamicSection& section, int protection);

}  // namespace gallocy::preload
