#include "preload/library_search.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(dlopen)

namespace gallocy::preload {

namespace {

bool is_in(const char* folder, const char* name) {
  const FixedText<4096> path(folder, "/", name);
  return ::access(path.c_str(), F_OK) == 0;
}

// Of LD_LIBRARY_PATH, of the executable, and the system's.
bool is_in_folders(const char* name) {
  void* program = real::dlopen(nullptr, RTLD_LAZY);
  Dl_serinfo size;
  if (program == nullptr || ::dlinfo(program, RTLD_DI_SERINFOSIZE, &size) != 0) return true;
  auto* list = static_cast<Dl_serinfo*>(::malloc(size.dls_size));
  if (list == nullptr) return true;
  ::memcpy(list, &size, sizeof size);
  bool found = ::dlinfo(program, RTLD_DI_SERINFO, list) != 0;
  for (unsigned i = 0; i < size.dls_cnt && !found; ++i)
    found = is_in(list->dls_serpath[i].dls_name, name);
  ::free(list);
  return found;
}

// It lists names of libraries and paths, which end in a name; each text ends in a null.
bool is_in_cache(const char* name) {
  const int fd = ::open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat status {};
  const bool is_known = ::fstat(fd, &status) == 0;
  const auto size_bytes = static_cast<std::size_t>(status.st_size);
  void* bytes = ::mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (!is_known || bytes == MAP_FAILED) return true;
  const bool found = ::memmem(bytes, size_bytes, name, ::strlen(name) + 1) != nullptr;
  ::munmap(bytes, size_bytes);
  return found;
}

}  // namespace

// A path that does not begin at the root begins at rank 0's folder, and this rank is in another.
bool may_be_found(const char* path) {
  if (*path == '/') return ::access(path, F_OK) == 0;
  return ::strchr(path, '/') != nullptr || *path == '\0' || is_in_folders(path) ||
         is_in_cache(path);
}

}  // namespace gallocy::preload
