#include "run/elf_file.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/unique_fd.hpp"

namespace gallocy::run {

namespace {

void read_needed(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, ElfFile& file) {
  Elf_Data* data = ::elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return;
  const auto count = static_cast<int>(header.sh_size / header.sh_entsize);
  for (int i = 0; i < count; ++i) {
    GElf_Dyn entry;
    if (::gelf_getdyn(data, i, &entry) == nullptr || entry.d_tag == DT_NULL) return;
    if (entry.d_tag != DT_NEEDED) continue;
    const char* name = ::elf_strptr(elf, header.sh_link, entry.d_un.d_val);
    if (name != nullptr) file.needed.emplace_back(name);
  }
}

// The first is made by every Go linker of the last years, the second by older ones.
bool is_name_of_go(std::string_view name) {
  return name == ".go.buildinfo" || name == ".note.go.buildid";
}

void read_sections(Elf* elf, ElfFile& file) {
  std::size_t names = 0;
  const bool has_names = ::elf_getshdrstrndx(elf, &names) == 0;
  for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (::gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type == SHT_DYNAMIC) read_needed(elf, section, header, file);
    const char* name = has_names ? ::elf_strptr(elf, names, header.sh_name) : nullptr;
    if (name != nullptr && is_name_of_go(name)) file.is_go = true;
  }
}

bool has_all_segments(Elf* elf, std::uint64_t file_bytes) {
  std::size_t count = 0;
  if (::elf_getphdrnum(elf, &count) != 0 || count == 0) return false;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (::gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr) return false;
    if (header.p_offset > file_bytes || header.p_filesz > file_bytes - header.p_offset)
      return false;
  }
  return true;
}

std::string read_dynamic_linker(Elf* elf) {
  std::size_t count = 0;
  if (::elf_getphdrnum(elf, &count) != 0) return {};
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (::gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr) return {};
    if (header.p_type != PT_INTERP || header.p_filesz > PATH_MAX) continue;
    const Elf_Data* data = ::elf_getdata_rawchunk(elf, static_cast<std::int64_t>(header.p_offset),
                                                  header.p_filesz, ELF_T_BYTE);
    if (data == nullptr || data->d_buf == nullptr) return {};
    const std::string_view text{static_cast<const char*>(data->d_buf), data->d_size};
    return std::string{text.substr(0, text.find('\0'))};
  }
  return {};
}

}  // namespace

bool ElfFile::needs_libgallocy() const {
  return std::any_of(needed.begin(), needed.end(), [](const std::string& name) {
    return name.starts_with("libgallocy.so");
  });
}

std::optional<ElfFile> read_elf(const std::string& path) {
  if (::elf_version(EV_CURRENT) == EV_NONE) return std::nullopt;
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return std::nullopt;
  const std::unique_ptr<Elf, int (*)(Elf*)> elf{::elf_begin(fd.get(), ELF_C_READ, nullptr),
                                                ::elf_end};
  GElf_Ehdr header;
  if (elf == nullptr || ::elf_kind(elf.get()) != ELF_K_ELF ||
      ::gelf_getehdr(elf.get(), &header) == nullptr)
    return std::nullopt;
  ElfFile file;
  file.is_for_x86_64 = header.e_machine == EM_X86_64 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
                       (header.e_type == ET_EXEC || header.e_type == ET_DYN);
  struct stat status;
  file.is_whole = ::fstat(fd.get(), &status) == 0 &&
                  has_all_segments(elf.get(), static_cast<std::uint64_t>(status.st_size));
  file.dynamic_linker = read_dynamic_linker(elf.get());
  read_sections(elf.get(), file);
  return file;
}

}  // namespace gallocy::run
