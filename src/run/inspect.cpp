#include "run/inspect.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>

#include "run/installation.hpp"
#include "run/libraries.hpp"
#include "run/privileges.hpp"
#include "run/ranks.hpp"

namespace gallocy::run {

namespace {

namespace fs = std::filesystem;

// Its path differs from one distribution to the other; other C libraries have other names.
constexpr const char* dynamic_linker_of_glibc = "ld-linux-x86-64.so.2";

// The reason, and what else to do; both may be empty.
struct Obstacle {
  std::string reason, remedy;
};

Obstacle obstacle_of(const std::string& path, const std::optional<ElfFile>& elf) {
  if (::access(path.c_str(), R_OK) != 0)
    return {"it can't be read, and so not be looked at", "make it readable"};
  if (!elf || !elf->is_for_x86_64)
    return {"it is no ELF program for x86-64", "build it for x86-64"};
  if (!elf->is_whole)
    return {"its file is cut off or damaged: parts of the program are missing", "build it anew"};
  if (elf->is_go)
    return {"it is a Go program, which has memory and threads without the C library", ""};
  if (elf->dynamic_linker.empty())
    return {"it is statically linked, so that nothing can be loaded into it",
            "link it dynamically"};
  if (fs::path{elf->dynamic_linker}.filename() != dynamic_linker_of_glibc)
    return {fmt::format("its C library is not glibc, since its dynamic linker is {}",
                        elf->dynamic_linker),
            "build it with glibc"};
  const FilePrivileges privileges = privileges_of(path);
  const std::string gained = gain(privileges, this_user());
  if (!gained.empty())
    return {fmt::format("it {}, and the dynamic linker loads nothing into programs that may do "
                        "more than their user",
                        gained),
            "run a copy without that"};
  if (is_laid_out_at_random(privileges))
    return {"it has a set-id bit, and the kernel lays out the memory of such programs at random, "
            "on each node otherwise",
            "run a copy without that"};
  return {};
}

// "/usr/bin/python3, which runs ./script,"
std::string subject_of(const std::vector<std::string>& files) {
  return files.size() == 1 ? files.front()
                           : fmt::format("{}, which runs {},", files.back(), files.front());
}

bool wants_preload(const Inspection& inspection, const Options& options) {
  return options.preload.value_or(!inspection.linked_with_libgallocy);
}

std::string why_chosen(const Inspection& inspection, const Options& options) {
  if (options.preload) return *options.preload ? "--preload says so" : "--no-preload says so";
  if (inspection.elf.needs_libgallocy()) return "it is linked with libgallocy";
  return inspection.linked_with_libgallocy ? "a library of its is linked with libgallocy"
                                           : "it is not linked with libgallocy";
}

std::string resolved(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error || real == path ? path : fmt::format("{} ({})", path, real.native());
}

std::string list_of(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Inspection inspect(const std::string& path, const Options& options) {
  Inspection inspection;
  inspection.execution = {{path}, path, options.command};
  const Environment environment = exported(current_environment(), options);
  auto execution = follow_interpreters(path, options.command, search_path_of(environment));
  if (!execution) {
    inspection.obstacle = execution.error();
    return inspection;
  }
  inspection.execution = std::move(*execution);
  const std::string& last = inspection.execution.files.back();
  const auto elf = read_elf(last);
  if (elf) inspection.elf = *elf;
  inspection.linked_with_libgallocy = inspection.elf.needs_libgallocy();
  const Obstacle obstacle = obstacle_of(last, elf);
  if (!obstacle.reason.empty())
    inspection.obstacle = Refusal{
        exit_unavailable,
        fmt::format("{} can't run on several nodes: {}; {}run it on one node with --no-preload",
                    subject_of(inspection.execution.files), obstacle.reason,
                    obstacle.remedy.empty() ? "" : obstacle.remedy + ", or ")};
  if (inspection.obstacle || inspection.linked_with_libgallocy) return inspection;
  // A dynamic linker that can't be asked will not start the program either, and says why then.
  inspection.linked_with_libgallocy =
      loads_libgallocy(elf->dynamic_linker, last, environment).value_or(false);
  return inspection;
}

Try<Program> choose(const Inspection& inspection, const Options& options) {
  Program program{inspection.execution.path, inspection.execution.arguments,
                  inspection.linked_with_libgallocy, {}};
  if (!wants_preload(inspection, options)) {
    if (program.linked_with_libgallocy) return program;
    // On its own, so let the kernel see what it would see without gallocy-run.
    return Program{inspection.execution.files.front(), options.command, false, {}};
  }
  if (program.linked_with_libgallocy)
    return refuse(exit_usage,
                  fmt::format("--preload is for programs that have never heard of gallocy, and {} "
                              "is linked with libgallocy; run it without --preload",
                              subject_of(inspection.execution.files)));
  if (inspection.obstacle) return tl::unexpected<Refusal>(*inspection.obstacle);
  if (options.every_rank_runs_main)
    return refuse(exit_usage,
                  fmt::format("--spmd is for programs that call gallocy_init(): the main() of {} "
                              "runs once",
                              inspection.execution.files.front()));
  auto library = find_preload_library();
  if (!library) return tl::unexpected<Refusal>(library.error());
  program.preload_library = std::move(*library);
  return program;
}

std::vector<std::string> explain(const Inspection& inspection, const Options& options,
                                 const Try<Program>& program) {
  const auto& files = inspection.execution.files;
  std::vector<std::string> lines{fmt::format("program: {}", resolved(files.front()))};
  for (std::size_t i = 1; i < files.size(); ++i)
    lines.push_back(fmt::format("interpreter: {}", resolved(files[i])));
  const std::string& linker = inspection.elf.dynamic_linker;
  lines.push_back(fmt::format("dynamic linker: {}", linker.empty() ? "none" : linker));
  lines.push_back(fmt::format("libraries: {}", list_of(inspection.elf.needed)));
  const std::string why = why_chosen(inspection, options);
  if (!program) lines.push_back(fmt::format("preloaded: it should be, since {}, but can't", why));
  else if (program->is_preloaded())
    lines.push_back(fmt::format("preloaded: with {}, since {}", program->preload_library, why));
  else lines.push_back(fmt::format("preloaded: no, since {}", why));
  return lines;
}

}  // namespace gallocy::run
