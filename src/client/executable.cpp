#include "client/executable.hpp"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/ids.hpp"

namespace gallocy::client {

namespace {

std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

void read_notes(const std::byte* notes, std::size_t size_bytes, Identity& identity) {
  while (size_bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    ::memcpy(&note, notes, sizeof note);
    const std::size_t all = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (all > size_bytes) return;
    const std::byte* name = notes + sizeof note;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && ::memcmp(name, "GNU", 4) == 0) {
      const std::size_t size =
          note.n_descsz < ipc::build_id_bytes ? note.n_descsz : ipc::build_id_bytes;
      identity.build_id_size = static_cast<std::uint32_t>(size);
      ::memcpy(identity.build_id, name + 4, size);
      return;
    }
    notes += all;
    size_bytes -= all;
  }
}

// The first object that the dynamic linker names is the executable.
int read_first(dl_phdr_info* info, std::size_t, void* context) {
  *static_cast<Identity*>(context) = identity_of(*info);
  return 1;
}

}  // namespace

Identity identity_of(const dl_phdr_info& info) {
  Identity identity;
  bool seen_load = false;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    const std::uint64_t address = info.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && !seen_load) {
      seen_load = true;
      identity.load_address = address / page_bytes * page_bytes;
    }
    if (segment.p_type == PT_NOTE && identity.build_id_size == 0)
      read_notes(reinterpret_cast<const std::byte*>(address), segment.p_memsz, identity);
  }
  return identity;
}

void describe_executable(ipc::ClientHello& hello) {
  Identity identity;
  ::dl_iterate_phdr(read_first, &identity);
  hello.load_address = identity.load_address;
  hello.build_id_size = identity.build_id_size;
  ::memcpy(hello.build_id, identity.build_id, sizeof hello.build_id);
}

}  // namespace gallocy::client
