// Libraries that the program loads when it runs: dlopen and its kin.
//
// Rank 0 loads them, for whichever thread, since its data are the job's, as at the start:
//
// 1. It has the linker load the library and what that needs, without constructors (put_off.hpp).
// 2. It copies their writable data into the region, and makes windows of it.
// 3. Each other rank loads the same at the same addresses, compares, and makes the same windows.
//    It never calls constructors.
// 4. Rank 0 calls the constructors.
//
// So nobody can come to code or data of a library, by a pointer that its constructors have given
// away, before all ranks have it. It stays until the program ends, and its destructors run then.
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "client/memory.hpp"
#include "client/windows.hpp"
#include "gallocy/gallocy.h"
#include "ipc/window.hpp"
#include "preload/ceiling.hpp"
#include "preload/dynamic_section.hpp"
#include "preload/explain.hpp"
#include "preload/mapped.hpp"
#include "preload/objects.hpp"
#include "preload/put_off.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(dlopen)
GALLOCY_REAL(dlmopen)
GALLOCY_REAL(dlclose)
GALLOCY_REAL(dlerror)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

// Here libraries are put, from above. Nothing else is, but by chance what another thread maps
// meanwhile: so each dlopen begins at a place of its own.
constexpr std::uint64_t area_begin = 0x7000'0000'0000, area_end = 0x7100'0000'0000;
constexpr std::uint64_t place_bytes = 64 << 20;

struct LoadedObject {
  Object object;
  std::size_t tls_module;  // 0: it has no thread_local data
};

// One dlopen, as all ranks see it: in the region.
struct Loading {
  const char* path;
  int flags;
  std::uint64_t top;
  std::size_t object_count;
  LoadedObject objects[put_off_count_max];
  std::size_t window_count;
  ipc::Window windows[put_off_count_max * writable_count_max];
  Sentence failure;  // why the program can't have it; empty: it can
};

// Only rank 0 loads, in one thread at a time; a constructor may load more.
constinit pthread_mutex_t g_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
constinit std::uint64_t g_top = area_end;

void* fail_with(std::string_view failure) {
  keep_error(failure);
  return nullptr;
}

char* last_error() {
  real::dlerror.get();  // to look it up makes an error a kept one
  char* kept = kept_error();
  return kept != nullptr ? kept : real::dlerror();
}

class Lock {
 public:
  Lock() { ::pthread_mutex_lock(&g_lock); }
  ~Lock() { ::pthread_mutex_unlock(&g_lock); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

// By which all ranks find it.
long name_of(void* library) {
  return reinterpret_cast<long>(static_cast<link_map*>(library)->l_name);
}

std::size_t tls_module_of(link_map* object) {
  std::size_t module = 0;
  return ::dlinfo(object, RTLD_DI_TLS_MODID, &module) == 0 ? module : 0;
}

void describe(std::span<const PutOff> loaded, Loading& loading) {
  for (const PutOff& of : loaded) {
    LoadedObject& described = loading.objects[loading.object_count++];
    describe_library(info_of(*of.object), described.object);
    described.tls_module = tls_module_of(of.object);
  }
}

// ---- rank 0 ------------------------------------------------------------------------------

Sentence unheard_waits_of(std::span<const PutOff> loaded) {
  for (const PutOff& of : loaded)
    if (const Sentence text = preload::unheard_waits_of(info_of(*of.object)); !text.empty())
      return text;
  return {};
}

bool make_windows(Loading& loading) {
  for (std::size_t i = 0; i < loading.object_count; ++i)
    for (const Range& range : loading.objects[i].object.writable) {
      if (range.size_bytes() == 0) continue;
      void* own = client::zeroed_pages(range.size_bytes());
      if (own == nullptr) {
        loading.failure = Sentence(loading.path, ": ", gallocy_last_error());
        return false;
      }
      copy_to_zeros(own, range.pointer(), range.size_bytes());
      loading.windows[loading.window_count++] = {range.begin, range.size_bytes(),
                                                 heap::address_of(own)};
    }
  return true;
}

// What was there can't be put back: the process has to end if that fails.
void map_windows(const Loading& loading) {
  for (const ipc::Window& window : std::span{loading.windows, loading.window_count})
    if (auto status = client::map_window(window.address, window.size_bytes, window.own_address);
        !status)
      refuse(status.error().sentence.c_str());
}

// ---- the others --------------------------------------------------------------------------

Sentence difference(const Loading& first, const Loading& own) {
  if (own.object_count != first.object_count)
    return Sentence(first.path, ": rank ", client::process.rank, " has loaded ", own.object_count,
                    " libraries for it, and rank 0 ", first.object_count);
  for (std::size_t i = 0; i < own.object_count; ++i) {
    const LoadedObject &one = first.objects[i], &other = own.objects[i];
    if (const Sentence text = difference(one.object, other.object); !text.empty())
      return Sentence("rank ", client::process.rank, ": ", text.view());
    if (one.tls_module != other.tls_module)
      return Sentence(first.path, ": its thread_local data can't be found by one number on all "
                      "ranks, since a library was loaded on one of them only");
  }
  return {};
}

void load_here(Loading& loading) {
  auto* own = static_cast<Loading*>(gallocy_calloc(1, sizeof(Loading)));
  if (own == nullptr) {
    loading.failure = Sentence(loading.path, ": ", gallocy_last_error());
    return;
  }
  PuttingOff putting_off;
  void* loaded = nullptr;
  {
    const Ceiling ceiling(loading.top);
    loaded = real::dlopen(loading.path, loading.flags);
  }
  if (loaded == nullptr) {
    loading.failure = Sentence("rank ", client::process.rank, ": ", last_error());
  } else {
    describe(putting_off.objects(), *own);
    loading.failure = difference(loading, *own);
    if (!loading.failure.empty()) real::dlclose(loaded);
  }
  gallocy_free(own);
}

long load_there(long given, long, long, long, long, long) {
  auto& loading = *reinterpret_cast<Loading*>(given);
  if (client::process.rank == 0 || !loading.failure.empty()) return 0;
  load_here(loading);
  return 0;
}

long map_there(long given, long, long, long, long, long) {
  if (client::process.rank != 0) map_windows(*reinterpret_cast<Loading*>(given));
  return 0;
}

long make_global_there(long name, long, long, long, long, long) {
  real::dlopen(reinterpret_cast<const char*>(name), RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
  return 0;
}

// ---- which file --------------------------------------------------------------------------

bool has_paths_of_its_own(const link_map& object) {
  for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == DT_RUNPATH || entry->d_tag == DT_RPATH) return true;
  return false;
}

bool is_system_folder(std::string_view folder) {
  return folder.starts_with("/lib") || folder.starts_with("/usr/lib");
}

// The linker looks in folders that the calling object names; it takes this library for that object.
// True: found there.
bool find_for(const void* caller, const char* name, char (&path)[PATH_MAX]) {
  Dl_info info;
  link_map* object = nullptr;
  if (::strchr(name, '/') != nullptr ||
      ::dladdr1(caller, &info, reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) == 0 ||
      object == nullptr || !has_paths_of_its_own(*object))
    return false;
  Dl_serinfo size;
  if (::dlinfo(object, RTLD_DI_SERINFOSIZE, &size) != 0) return false;
  auto* folders = static_cast<Dl_serinfo*>(gallocy_malloc(size.dls_size));
  if (folders == nullptr) return false;
  *folders = size;
  bool is_found = ::dlinfo(object, RTLD_DI_SERINFO, folders) == 0;
  for (unsigned i = 0; is_found && i <= folders->dls_cnt; ++i) {
    is_found = i < folders->dls_cnt && !is_system_folder(folders->dls_serpath[i].dls_name);
    if (!is_found) break;
    const FixedText<PATH_MAX> file(folders->dls_serpath[i].dls_name, "/", name);
    if (::access(file.c_str(), R_OK) != 0) continue;
    ::memcpy(path, file.c_str(), file.view().size() + 1);
    break;
  }
  gallocy_free(folders);
  return is_found;
}

// ---- one dlopen --------------------------------------------------------------------------

std::uint64_t lowest_address(const Loading& loading) {
  std::uint64_t lowest = area_end;
  for (std::size_t i = 0; i < loading.object_count; ++i)
    lowest = std::min(lowest, loading.objects[i].object.load_address);
  return lowest;
}

// It is mapped here. False: it is not to be.
bool share(const PuttingOff& putting_off, Loading& loading) {
  if (client::process.node_count > 1) loading.failure = unheard_waits_of(putting_off.objects());
  if (!loading.failure.empty()) return false;
  describe(putting_off.objects(), loading);
  if (!make_windows(loading)) return false;
  g_top = std::max(area_begin, lowest_address(loading) / place_bytes * place_bytes);
  const long given = reinterpret_cast<long>(&loading);
  call_on_all(load_there, given, 0, 0);
  if (!loading.failure.empty()) return false;
  map_windows(loading);
  call_on_all(map_there, given, 0, 0);
  for (std::size_t i = 0; i < loading.object_count; ++i)
    explain_later(loading.objects[i].object);
  return true;
}

void* load_new(const char* path, int flags, Loading& loading) {
  PuttingOff putting_off;
  void* loaded = nullptr;
  {
    const Ceiling ceiling(g_top);
    loaded = real::dlopen(path, flags);
  }
  if (loaded == nullptr) return fail_with(last_error());
  if (putting_off.objects().empty()) return loaded;
  loading.path = reinterpret_cast<const char*>(name_of(loaded));
  loading.flags = flags;
  loading.top = g_top;
  if (!share(putting_off, loading)) {
    real::dlclose(loaded);
    client::say(Sentence("gallocy: dlopen of ", path, " is refused: ", loading.failure.view(),
                         "\n"));
    return fail_with(loading.failure.view());
  }
  real::dlopen(loading.path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  putting_off.construct();
  return loaded;
}

void* load(const char* path, int flags, const void* caller) {
  kept_error();
  if (path == nullptr || (flags & RTLD_NOLOAD) != 0) return real::dlopen(path, flags);
  const Lock lock;
  if (void* loaded = real::dlopen(path, flags | RTLD_NOLOAD); loaded != nullptr) {
    if ((flags & RTLD_GLOBAL) != 0) call_on_all(make_global_there, name_of(loaded), 0, 0);
    return loaded;
  }
  auto* loading = static_cast<Loading*>(gallocy_calloc(1, sizeof(Loading)));
  if (loading == nullptr) return fail_with(gallocy_last_error());
  char found[PATH_MAX];
  void* loaded = load_new(find_for(caller, path, found) ? found : path, flags, *loading);
  gallocy_free(loading);
  return loaded;
}

void* open(const char* path, int flags, const void* caller) {
  void* loaded = nullptr;
  at_first([&] { loaded = load(path, flags, caller); });
  return loaded;
}

}  // namespace

GALLOCY_TAKES void* dlopen(const char* path, int flags) {
  if (!is_application()) return real::dlopen(path, flags);
  return open(path, flags, __builtin_return_address(0));
}

GALLOCY_TAKES void* dlmopen(Lmid_t space, const char* path, int flags) noexcept {
  if (!is_application()) return real::dlmopen(space, path, flags);
  if (space == LM_ID_BASE) return open(path, flags, __builtin_return_address(0));
  client::say(Sentence("gallocy: dlmopen is refused: it is not supported\n"));
  at_first([] { fail_with("dlmopen is not supported by gallocy"); });
  return nullptr;
}

GALLOCY_TAKES int dlclose(void* library) noexcept {
  int result = 0;
  if (!is_application()) return real::dlclose(library);
  at_first([&] { result = real::dlclose(library); });
  return result;
}

// A thread on another node may have looked up a symbol there, and loaded a library here.
GALLOCY_TAKES char* dlerror() noexcept {
  char* text = last_error();
  if (text == nullptr && is_away()) at_first([&] { text = last_error(); });
  return text;
}
