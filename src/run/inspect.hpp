// What a program needs to run on several nodes, and whether it can.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/elf_file.hpp"
#include "run/execution.hpp"
#include "run/options.hpp"
#include "run/program.hpp"

namespace gallocy::run {

struct Inspection {
  Execution execution;
  ElfFile elf;                      // of what is executed in the end
  // Itself, or by a library of its, which is asked if nothing else keeps it from being preloaded.
  bool linked_with_libgallocy = false;
  std::optional<Refusal> obstacle;  // why it can't be preloaded
};

// `path` is where the command was found. Starts nothing.
Inspection inspect(const std::string& path, const Options& options);

// How to start it, or why it can't be started so. A program that is linked with libgallocy hears
// nothing of what concerns preloading only.
Try<Program> choose(const Inspection& inspection, const Options& options);

// For a person, whole lines without an end.
std::vector<std::string> explain(const Inspection& inspection, const Options& options,
                                 const Try<Program>& program);

}  // namespace gallocy::run
