#include "run/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/unique_fd.hpp"

namespace gallocy::run {

namespace {

constexpr std::string_view default_path = "/usr/local/bin:/usr/bin:/bin";

// 0, or the errno that execve would give.
int why_not_executable(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

Try<std::string> refuse_path(const std::string& name, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return refuse(exit_not_found, fmt::format("{}: no such program", name));
  return refuse(exit_not_executable,
                fmt::format("{}: can't be executed: {}", name, ::strerrordesc_np(error)));
}

Try<std::string> search_path(const std::string& name) {
  const char* variable = ::getenv("PATH");
  std::string_view rest = variable != nullptr ? std::string_view{variable} : default_path;
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

Try<std::string> find_path(const std::string& name) {
  if (name.find('/') == std::string::npos) return search_path(name);
  if (const int error = why_not_executable(name); error != 0) return refuse_path(name, error);
  return name;
}

bool section_needs_libgallocy(Elf* elf, Elf_Scn* section, const GElf_Shdr& header) {
  Elf_Data* data = ::elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return false;
  const auto count = static_cast<int>(header.sh_size / header.sh_entsize);
  for (int i = 0; i < count; ++i) {
    GElf_Dyn entry;
    if (::gelf_getdyn(data, i, &entry) == nullptr || entry.d_tag == DT_NULL) return false;
    if (entry.d_tag != DT_NEEDED) continue;
    const char* name = ::elf_strptr(elf, header.sh_link, entry.d_un.d_val);
    if (name != nullptr && std::string_view{name}.starts_with("libgallocy.so")) return true;
  }
  return false;
}

bool needs_libgallocy(const std::string& path) {
  if (::elf_version(EV_CURRENT) == EV_NONE) return false;
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) return false;
  const std::unique_ptr<Elf, int (*)(Elf*)> elf{::elf_begin(file.get(), ELF_C_READ, nullptr),
                                                ::elf_end};
  if (elf == nullptr || ::elf_kind(elf.get()) != ELF_K_ELF) return false;
  for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf.get(), section)) != nullptr;) {
    GElf_Shdr header;
    if (::gelf_getshdr(section, &header) != nullptr && header.sh_type == SHT_DYNAMIC &&
        section_needs_libgallocy(elf.get(), section, header))
      return true;
  }
  return false;
}

}  // namespace

Try<Program> find_program(const std::string& name) {
  auto path = find_path(name);
  if (!path) return tl::unexpected<Refusal>(path.error());
  return Program{*path, needs_libgallocy(*path)};
}

}  // namespace gallocy::run
