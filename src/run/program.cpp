#include "run/program.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace gallocy::run {

namespace {

Try<std::string> refuse_path(const std::string& name, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return refuse(exit_not_found, fmt::format("{}: no such program", name));
  return refuse(exit_not_executable,
                fmt::format("{}: can't be executed: {}", name, describe_error(error)));
}

Try<std::string> search(const std::string& name, std::string_view rest) {
  int best_error = ENOENT;
  for (bool more = true; more;) {
    const auto colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    more = colon != std::string_view::npos;
    if (more) rest.remove_prefix(colon + 1);
    const std::string path = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    const int error = why_not_executable(path);
    if (error == 0) return path;
    if (error != ENOENT && error != ENOTDIR) best_error = error;
  }
  return refuse_path(name, best_error);
}

}  // namespace

std::string search_path_of(const Environment& environment) {
  return value_of(environment, "PATH").value_or("/usr/local/bin:/usr/bin:/bin");
}

int why_not_executable(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

Try<std::string> find_program(const std::string& name, std::string_view search_path) {
  if (name.find('/') == std::string::npos) return search(name, search_path);
  if (const int error = why_not_executable(name); error != 0) return refuse_path(name, error);
  return name;
}

}  // namespace gallocy::run
