#include "preload/library_path.hpp"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string_view>

namespace gallocy::preload {

namespace {

bool names_folders(const link_map& object) {
  for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == DT_RUNPATH || entry->d_tag == DT_RPATH) return true;
  return false;
}

link_map* object_of(const void* code) {
  Dl_info info;
  link_map* object = nullptr;
  const int found = ::dladdr1(code, &info, reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP);
  return found != 0 ? object : nullptr;
}

// With the linker's own at the end, where it looks after its cache only.
bool is_of_system(std::string_view folder) {
  return folder.starts_with("/lib") || folder.starts_with("/usr/lib");
}

LibraryPath find_in(const Dl_serinfo& folders, const char* name) {
  for (unsigned i = 0; i < folders.dls_cnt; ++i) {
    const char* folder = folders.dls_serpath[i].dls_name;
    if (is_of_system(folder)) break;
    const LibraryPath path(folder, "/", name);
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return {};
}

}  // namespace

LibraryPath library_for(const void* caller, const char* name) {
  link_map* object = ::strchr(name, '/') == nullptr ? object_of(caller) : nullptr;
  Dl_serinfo size;
  if (object == nullptr || !names_folders(*object) ||
      ::dlinfo(object, RTLD_DI_SERINFOSIZE, &size) != 0)
    return {};
  auto* folders = static_cast<Dl_serinfo*>(::malloc(size.dls_size));
  if (folders == nullptr) return {};
  *folders = size;
  LibraryPath path;
  if (::dlinfo(object, RTLD_DI_SERINFO, folders) == 0) path = find_in(*folders, name);
  ::free(folders);
  return path;
}

LibraryPath absolute(const char* path) {
  char folder[PATH_MAX];
  if (*path == '/' || ::getcwd(folder, sizeof folder) == nullptr) return LibraryPath(path);
  return LibraryPath(folder, "/", path);
}

LibraryPath path_for_all(const char* opened, const char* found) {
  return ::strchr(opened, '/') == nullptr ? LibraryPath(opened) : absolute(found);
}

}  // namespace gallocy::preload
