// Constructors of libraries are rank 0's to run: what they do outside the process is done once, and
// what they leave in data is the job's by windows. Elsewhere only those run whose state is each
// rank's own. The linker has this library constructed before all others (-z initfirst), and looks
// up what it has to call object by object, when it comes to each.
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

#include "ipc/rank_environment.hpp"
#include "preload/dynamic_section.hpp"
#include "preload/objects.hpp"
#include "preload/stage.hpp"
#include "preload/streams.hpp"

using namespace gallocy;
using namespace gallocy::preload;

namespace {

void construct_nothing(int, char**, char**) {}

// Of several, the linker knows the last that it has loaded, and constructs no other first.
int refuse_another_first(dl_phdr_info* info, std::size_t, void*) {
  if (sharing_of(info->dlpi_name) == Sharing::gallocy) return 0;
  for (const ElfW(Dyn)* entry = dynamic_section_of(*info).entries;
       entry != nullptr && entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_INITFIRST) != 0)
      refuse(Sentence(info->dlpi_name, " is to be constructed before all other libraries, which is "
                      "not supported").c_str());
  return 0;
}

void leave_out(ElfW(Dyn) & entry, std::uint64_t load_address) {
  if (entry.d_tag == DT_INIT)
    entry.d_un.d_ptr = reinterpret_cast<std::uint64_t>(construct_nothing) - load_address;
  if (entry.d_tag == DT_INIT_ARRAYSZ || entry.d_tag == DT_PREINIT_ARRAYSZ) entry.d_un.d_val = 0;
}

int leave_out_object(dl_phdr_info* info, std::size_t, void*) {
  if (sharing_of(info->dlpi_name) != Sharing::nothing_to_share) return 0;
  const DynamicSection section = dynamic_section_of(*info);
  if (section.entries == nullptr) return 0;
  protect(section, PROT_READ | PROT_WRITE);
  for (ElfW(Dyn)* entry = section.entries; entry->d_tag != DT_NULL; ++entry)
    leave_out(*entry, info->dlpi_addr);
  protect(section, PROT_READ);
  return 0;
}

// The C library, which is constructed later, has no environment yet.
__attribute__((constructor)) void construct_first(int, char**, char** environment) {
  environ = environment;
  if (::getenv(ipc::persona_variable) == nullptr) return;
  set_stage(Stage::loading);
  ::dl_iterate_phdr(refuse_another_first, nullptr);
  const char* rank = ::getenv(ipc::rank_variable);
  if (rank != nullptr && std::string_view{rank} != "0")
    ::dl_iterate_phdr(leave_out_object, nullptr);
  else
    make_shared_streams();
}

}  // namespace
