#include "tools/sockets.hpp"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "ipc/places.hpp"
#include "ipc/socket.hpp"

namespace gallocy::tools {
namespace {

constexpr std::size_t random_characters = 6;
constexpr time_t newcomer_s = 10;  // a launcher may be about to start its daemons

// As mkdtemp makes them.
bool looks_like_ours(const std::filesystem::path& path) {
  const std::string name = path.filename();
  const std::string_view prefix = ipc::scratch_prefix;
  return name.starts_with(prefix) && name.size() == prefix.size() + random_characters &&
         std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0; });
}

bool is_mine(const struct stat& status) {
  return ::geteuid() == 0 || status.st_uid == ::geteuid();
}

// One that accepts nobody for the moment is not dead either.
bool is_there(const std::string& path) {
  const auto socket = ipc::connect_to(path.c_str());
  return socket || socket.error().code == ETIMEDOUT;
}

Scratch look_into(const std::filesystem::path& path, const struct stat& status) {
  Scratch scratch{path, {}, false};
  std::error_code error;
  bool holds_others = false;  // whoever has such a name for a folder of his own keeps it
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() != ipc::socket_suffix) holds_others = true;
    else if (is_there(entry.path())) scratch.sockets.push_back(entry.path());
  }
  std::sort(scratch.sockets.begin(), scratch.sockets.end());
  scratch.stale = scratch.sockets.empty() && !holds_others && !error &&
                  status.st_mtime + newcomer_s < ::time(nullptr);
  return scratch;
}

}  // namespace

std::vector<Scratch> find_scratch_folders() {
  std::vector<Scratch> found;
  for (const std::string& parent : ipc::scratch_parents()) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
      struct stat status{};
      if (!looks_like_ours(entry.path()) || ::lstat(entry.path().c_str(), &status) != 0) continue;
      if (S_ISDIR(status.st_mode) && is_mine(status))
        found.push_back(look_into(entry.path(), status));
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Scratch& a, const Scratch& b) { return a.folder < b.folder; });
  return found;
}

}  // namespace gallocy::tools
