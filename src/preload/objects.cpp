#include "preload/objects.hpp"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "base/ids.hpp"
#include "client/executable.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

namespace {

struct Listing {
  std::span<Object> objects;
  std::size_t count;
};

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? path : std::string_view{path.data() + slash + 1,
                                                      path.size() - slash - 1};
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> beginnings) {
  return std::ranges::any_of(beginnings, [&](auto each) { return name.starts_with(each); });
}

void set_name(Object& object, std::string_view path) {
  const std::size_t kept = std::min(path.size(), sizeof object.name - 1);
  ::memcpy(object.name, path.data() + path.size() - kept, kept);
}

std::uint64_t end_of_relro(const dl_phdr_info& info, const ElfW(Phdr) & segment) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& other = info.dlpi_phdr[i];
    if (other.p_type == PT_GNU_RELRO && other.p_vaddr >= segment.p_vaddr &&
        other.p_vaddr < segment.p_vaddr + segment.p_memsz)
      return other.p_vaddr + other.p_memsz;
  }
  return segment.p_vaddr;
}

// Segments follow each other, and the last page of one may be the first of the next.
void add_writable(const dl_phdr_info& info, const ElfW(Phdr) & segment, Object& object) {
  Range range{page_down(info.dlpi_addr + end_of_relro(info, segment)),
              page_up(info.dlpi_addr + segment.p_vaddr + segment.p_memsz)};
  std::size_t count = 0;
  for (; count < writable_count_max && object.writable[count].end != 0; ++count)
    range.begin = std::max(range.begin, object.writable[count].end);
  if (range.begin >= range.end) return;
  if (count == writable_count_max)
    refuse(Sentence(object.name, " has more than ", writable_count_max,
                    " writable segments, which is not supported").c_str());
  object.sharing = Sharing::shared;
  object.writable[count] = range;
}

void describe(const dl_phdr_info& info, bool is_executable, Object& object) {
  object = {};
  set_name(object, is_executable ? "the executable" : info.dlpi_name);
  const client::Identity identity = client::identity_of(info);
  object.load_address = identity.load_address;
  object.build_id_size = identity.build_id_size;
  ::memcpy(object.build_id, identity.build_id, sizeof object.build_id);
  object.sharing = is_executable ? Sharing::nothing_to_share : sharing_of(info.dlpi_name);
  if (object.sharing != Sharing::nothing_to_share) return;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0)
      add_writable(info, segment, object);
  }
}

int add_object(dl_phdr_info* info, std::size_t, void* context) {
  auto& listing = *static_cast<Listing*>(context);
  if (listing.count == listing.objects.size())
    refuse(Sentence("it has loaded more than ", object_count_max, " libraries").c_str());
  describe(*info, listing.count == 0, listing.objects[listing.count]);
  ++listing.count;
  return 0;
}

// Whether the code ends with the number of futex() put into a register, and not long ago.
bool numbers_a_futex(std::string_view code) {
  constexpr std::string_view immediate{"\xca\0\0\0", 4};
  static_assert(SYS_futex == 0xca);
  for (auto at = code.find(immediate, 1); at != code.npos; at = code.find(immediate, at + 1))
    if ((code[at - 1] & 0xf8) == 0xb8) return true;  // mov $0xca, %reg32
  return false;
}

bool waits_unheard(std::string_view code) {
  constexpr std::string_view call{"\x0f\x05", 2};  // syscall
  constexpr std::size_t before_bytes_max = 64;
  for (auto at = code.find(call); at != code.npos; at = code.find(call, at + 1)) {
    const std::size_t before_bytes = std::min(at, before_bytes_max);
    if (numbers_a_futex({code.data() + at - before_bytes, before_bytes})) return true;
  }
  return false;
}

bool waits_unheard(const dl_phdr_info& info) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    constexpr auto readable_code = PF_R | PF_X;
    if (segment.p_type == PT_LOAD && (segment.p_flags & readable_code) == readable_code &&
        waits_unheard({reinterpret_cast<const char*>(info.dlpi_addr + segment.p_vaddr),
                       segment.p_memsz}))
      return true;
  }
  return false;
}

constexpr const char* waits_unheard_text = " waits by system calls of its own, of which other "
                                           "nodes do not hear yet: run it on one node (-n 1)";

int refuse_if_it_waits_unheard(dl_phdr_info* info, std::size_t, void* listed) {
  const bool is_executable = (*static_cast<int*>(listed))++ == 0;
  if (!is_executable && sharing_of(info->dlpi_name) != Sharing::nothing_to_share) return 0;
  if (waits_unheard(*info))
    refuse(Sentence(is_executable ? "it" : info->dlpi_name, waits_unheard_text).c_str());
  return 0;
}

FixedText<160> quoted(const Object& object) {
  return object.name[0] == '\0' ? FixedText<160>("nothing more")
                                : FixedText<160>("'", object.name, "'");
}

}  // namespace

Sharing sharing_of(std::string_view path) {
  const std::string_view name = base_name(path);
  if (is_one_of(name, {"libgallocy-"})) return Sharing::gallocy;
  if (is_one_of(name, {"libc.so", "ld-linux", "libm.so", "libgcc_s.so", "linux-vdso",
                       "libpthread.so", "libdl.so", "librt.so"}))
    return Sharing::c_core;
  return Sharing::nothing_to_share;
}

Sentence difference(const Object& first, const Object& own) {
  if (::memcmp(&first, &own, sizeof own) == 0) return {};
  if (::strcmp(first.name, own.name) != 0)
    return Sentence("it has loaded ", quoted(own).view(), " where rank 0 has ",
                    quoted(first).view(), ": all nodes need the same libraries");
  if (first.build_id_size != own.build_id_size ||
      ::memcmp(first.build_id, own.build_id, sizeof own.build_id) != 0)
    return Sentence("its ", quoted(own).view(), " has another build-id than that of rank 0: all "
                    "nodes need the same build");
  return Sentence("its ", quoted(own).view(), " is loaded at ", Hex{own.load_address},
                  " and that of rank 0 at ", Hex{first.load_address},
                  ": all nodes need the same libraries");
}

void refuse_unheard_waits() {
  int listed = 0;
  ::dl_iterate_phdr(refuse_if_it_waits_unheard, &listed);
}

Sentence unheard_waits_of(const dl_phdr_info& library) {
  return waits_unheard(library) ? Sentence(library.dlpi_name, waits_unheard_text) : Sentence();
}

void describe_library(const dl_phdr_info& library, Object& object) {
  describe(library, false, object);
}

std::size_t list_objects(std::span<Object> objects) {
  Listing listing{objects, 0};
  ::dl_iterate_phdr(add_object, &listing);
  return listing.count;
}

}  // namespace gallocy::preload
