// What an executable file says about how it wants to be run.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gallocy::run {

struct ElfFile {
  bool is_for_x86_64 = false;
  bool is_go = false;
  bool is_whole = true;  // all that is to be loaded is there
  std::string dynamic_linker;       // PT_INTERP; empty: it is statically linked
  std::vector<std::string> needed;  // the libraries that it names itself

  bool needs_libgallocy() const;
};

// Nothing, if it is no ELF file or can't be read.
std::optional<ElfFile> read_elf(const std::string& path);

}  // namespace gallocy::run
