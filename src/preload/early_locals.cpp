#include "preload/early_locals.hpp"

#include <elf.h>
#include <link.h>
#include <string.h>

namespace gallocy::preload {

namespace {

struct Locals {  // of one object in one thread
  void* data;
  std::size_t size_bytes;
};

constinit Locals g_early[object_count_max];
constinit std::span<const Object> g_objects;

Locals locals_of(const dl_phdr_info& info) {
  for (int i = 0; i < info.dlpi_phnum; ++i)
    if (info.dlpi_phdr[i].p_type == PT_TLS)
      return {info.dlpi_tls_data, info.dlpi_tls_data != nullptr ? info.dlpi_phdr[i].p_memsz : 0};
  return {};
}

// The C core's and gallocy's own are of the thread that they are in.
bool is_programs(std::size_t object) {
  return object < g_objects.size() && (g_objects[object].sharing == Sharing::shared ||
                                       g_objects[object].sharing == Sharing::nothing_to_share);
}

int note(dl_phdr_info* info, std::size_t, void* context) {
  const std::size_t object = (*static_cast<std::size_t*>(context))++;
  if (is_programs(object)) g_early[object] = locals_of(*info);
  return 0;
}

int take(dl_phdr_info* info, std::size_t, void* context) {
  const std::size_t object = (*static_cast<std::size_t*>(context))++;
  if (!is_programs(object)) return 0;
  const Locals own = locals_of(*info);
  if (own.size_bytes != 0 && g_early[object].size_bytes == own.size_bytes)
    ::memcpy(own.data, g_early[object].data, own.size_bytes);
  return 0;
}

}  // namespace

void note_early_locals(std::span<const Object> objects) {
  g_objects = objects;
  std::size_t object = 0;
  ::dl_iterate_phdr(note, &object);
}

void take_early_locals() {
  std::size_t object = 0;
  ::dl_iterate_phdr(take, &object);
}

}  // namespace gallocy::preload
