#include "run/scratch.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>

#include "ipc/places.hpp"

namespace gallocy::run {

namespace {

// What sun_path leaves for the folder: a longer path can't be a socket's.
constexpr std::size_t folder_bytes_max = 90;

// Empty on failure. mkdtemp gives mode 0700.
std::string make_folder_in(const std::string& parent) {
  std::string path = fmt::format("{}/{}XXXXXX", parent, ipc::scratch_prefix);
  if (path.size() > folder_bytes_max) return {};
  return ::mkdtemp(path.data()) != nullptr ? path : std::string{};
}

}  // namespace

Try<ScratchFolder> ScratchFolder::create() {
  std::string path;
  for (const auto& parent : ipc::scratch_parents())
    if (path.empty()) path = make_folder_in(parent);
  if (path.empty()) return refuse_errno("can't make a folder for sockets in /tmp");
  return ScratchFolder{std::move(path)};
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::socket_path(unsigned node) const {
  return fmt::format("{}/{}{}", path_, node, ipc::socket_suffix);
}

}  // namespace gallocy::run
