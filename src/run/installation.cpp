#include "run/installation.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "ipc/rank_environment.hpp"

namespace gallocy::run {

namespace {

namespace fs = std::filesystem;

// What stands between names in LD_PRELOAD, and what it replaces in them.
constexpr const char* special_characters = " :$";

bool is_executable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

fs::path own_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

Try<std::string> find_gallocyd() {
  if (const char* named = ::getenv("GALLOCYD"); named != nullptr && *named != '\0') {
    if (is_executable(named)) return std::string{named};
    return refuse(exit_unavailable,
                  fmt::format("GALLOCYD is {}, which can't be executed", named));
  }
  const fs::path folder = own_folder();
  for (const char* place : {"gallocyd", "../daemon/gallocyd", "../libexec/gallocyd"})
    if (const std::string path = folder / place; is_executable(path)) return path;
  return refuse(exit_unavailable,
                fmt::format("gallocyd was not found beside gallocy-run in {}; set GALLOCYD to "
                            "its path",
                            folder.native()));
}

Try<std::string> find_preload_library() {
  const fs::path folder = own_folder();
  const fs::path installed{GALLOCY_PRELOAD_FOLDER};
  const fs::path places[] = {folder / installed.lexically_relative(GALLOCY_BIN_FOLDER),
                             folder / "../preload"};
  for (const fs::path& place : places) {
    const std::string path = (place / ipc::preload_library_name).lexically_normal();
    if (::access(path.c_str(), R_OK) != 0) continue;
    if (path.find_first_of(special_characters) == path.npos) return path;
    return refuse(exit_unavailable,
                  fmt::format("a program can't be preloaded with {}: LD_PRELOAD has no way to "
                              "write blanks, ':' or '$'; put gallocy into another folder",
                              path));
  }
  return refuse(exit_unavailable,
                fmt::format("{} was not found in {}, where gallocy-run expects it; install gallocy "
                            "again, or run the program on one node with --no-preload",
                            ipc::preload_library_name, places[0].lexically_normal().native()));
}

}  // namespace gallocy::run
