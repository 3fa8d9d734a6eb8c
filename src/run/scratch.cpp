#include "run/scratch.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <string.h>

#include <cerrno>
#include <filesystem>

namespace gallocy::run {

namespace {

// What sun_path leaves for the folder: a longer path can't be a socket's.
constexpr std::size_t folder_bytes_max = 90;

// Empty on failure. mkdtemp gives mode 0700.
std::string make_folder_in(const std::string& parent) {
  std::string path = parent + "/gallocy-XXXXXX";
  if (path.size() > folder_bytes_max) return {};
  return ::mkdtemp(path.data()) != nullptr ? path : std::string{};
}

}  // namespace

Try<ScratchFolder> ScratchFolder::create() {
  std::string path;
  if (const char* runtime = ::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/')
    path = make_folder_in(runtime);
  if (path.empty()) path = make_folder_in("/tmp");
  if (path.empty())
    return refuse(exit_job_failed, fmt::format("can't make a folder for sockets in /tmp: {}",
                                               ::strerrordesc_np(errno)));
  return ScratchFolder{std::move(path)};
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::socket_path(unsigned node) const {
  return fmt::format("{}/{}.sock", path_, node);
}

}  // namespace gallocy::run
