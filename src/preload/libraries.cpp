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
#include <pthread.h>
#include <string.h>

#include <algorithm>
#include <string_view>

#include "client/memory.hpp"
#include "client/windows.hpp"
#include "gallocy/gallocy.h"
#include "ipc/window.hpp"
#include "preload/dynamic_section.hpp"
#include "preload/early_libraries.hpp"
#include "preload/explain.hpp"
#include "preload/library_path.hpp"
#include "preload/library_place.hpp"
#include "preload/mapped.hpp"
#include "preload/objects.hpp"
#include "preload/put_off.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(dlopen)
GALLOCY_REAL(dlmopen)
GALLOCY_REAL(dlclose)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

constexpr int place_count_max = 8;  // of one dlopen

struct LoadedObject {
  Object object;
  std::size_t tls_module;  // 0: it has no thread_local data
};

// One dlopen, as rank 0 has it and all ranks see it, or another rank for itself: in the region.
struct Loading {
  PutOff put_off[put_off_count_max];
  LibraryPath path;
  int flags;
  std::uint64_t top;
  std::size_t object_count;
  LoadedObject objects[put_off_count_max];
  std::size_t window_count;
  ipc::Window windows[put_off_count_max * writable_count_max];
  Sentence failure;     // why the program can't have it; empty: it can
  bool lies_elsewhere;  // and that is why
};

// Only rank 0 loads, in one thread at a time; a constructor may load more.
constinit pthread_mutex_t g_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void* fail_with(std::string_view failure) {
  keep_error(failure);
  return nullptr;
}

class Lock {
 public:
  Lock() { ::pthread_mutex_lock(&g_lock); }
  ~Lock() { ::pthread_mutex_unlock(&g_lock); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

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

bool fill_window(const Range& range, Loading& loading) {
  void* own = client::zeroed_pages(range.size_bytes());
  if (own == nullptr) {
    loading.failure = Sentence(loading.path.view(), ": ", gallocy_last_error());
    return false;
  }
  copy_to_zeros(own, range.pointer(), range.size_bytes());
  loading.windows[loading.window_count++] = {range.begin, range.size_bytes(),
                                             heap::address_of(own)};
  return true;
}

bool make_windows(Loading& loading) {
  for (const LoadedObject& each : std::span{loading.objects, loading.object_count})
    for (const Range& range : each.object.writable)
      if (range.size_bytes() != 0 && !fill_window(range, loading)) return false;
  return true;
}

void give_windows(const Loading& loading) {
  for (const ipc::Window& window : std::span{loading.windows, loading.window_count})
    gallocy_free(reinterpret_cast<void*>(window.own_address));
}

// What was there can't be put back: the process has to end if that fails.
void map_windows(const Loading& loading) {
  for (const ipc::Window& window : std::span{loading.windows, loading.window_count})
    if (auto status = client::map_window(window.address, window.size_bytes, window.own_address);
        !status)
      refuse(status.error().sentence.c_str());
}

// ---- the others --------------------------------------------------------------------------

// By whatever path it was found.
Sentence difference(const LoadedObject& first, const LoadedObject& own) {
  LoadedObject known = own;
  ::memcpy(known.object.name, first.object.name, sizeof known.object.name);
  if (const Sentence text = difference(first.object, known.object); !text.empty()) return text;
  if (first.tls_module != own.tls_module)
    return Sentence(first.object.name, " has another number for its thread_local data than on rank "
                    "0, where the C library has loaded other libraries for itself");
  return {};
}

void compare(const Loading& own, Loading& first) {
  if (own.object_count != first.object_count)
    first.failure = Sentence("it needs ", own.object_count, " libraries that are not loaded yet, "
                             "and on rank 0 ", first.object_count);
  for (std::size_t i = 0; i < own.object_count && first.failure.empty(); ++i) {
    first.failure = difference(first.objects[i], own.objects[i]);
    first.lies_elsewhere |= own.objects[i].object.load_address !=
                            first.objects[i].object.load_address;
  }
}

void load_here(Loading& loading, Loading& own) {
  PuttingOff putting_off(own.put_off);
  void* loaded = putting_off.load(loading.top, loading.path.c_str(), loading.flags);
  if (loaded == nullptr) {
    loading.failure = Sentence(last_error());
  } else {
    describe(putting_off.objects(), own);
    compare(own, loading);
  }
  if (loading.failure.empty()) return;
  loading.failure = Sentence("rank ", client::process.rank, ": ", loading.failure.view());
  if (loaded != nullptr) real::dlclose(loaded);
}

long load_there(long given, long, long, long, long, long) {
  auto& loading = *reinterpret_cast<Loading*>(given);
  if (client::process.rank == 0 || !loading.failure.empty()) return 0;
  auto* own = static_cast<Loading*>(gallocy_calloc(1, sizeof(Loading)));
  if (own == nullptr) {
    loading.failure = Sentence(gallocy_last_error());
    return 0;
  }
  load_here(loading, *own);
  gallocy_free(own);
  return 0;
}

// Where it is.
long unload_there(long given, long, long, long, long, long) {
  const auto& loading = *reinterpret_cast<const Loading*>(given);
  if (client::process.rank == 0) return give_windows(loading), 0;
  void* loaded = real::dlopen(loading.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (loaded == nullptr) return 0;
  real::dlclose(loaded);
  real::dlclose(loaded);
  return 0;
}

long map_there(long given, long, long, long, long, long) {
  if (client::process.rank != 0) map_windows(*reinterpret_cast<Loading*>(given));
  return 0;
}

long open_loaded_there(long name, long flags, long, long, long, long) {
  real::dlopen(reinterpret_cast<const char*>(name), static_cast<int>(flags) | RTLD_NOLOAD);
  return 0;
}

// ---- one dlopen --------------------------------------------------------------------------

// The library is mapped here. False: it can't be had.
bool share(const PuttingOff& putting_off, Loading& loading) {
  if (client::process.node_count > 1) loading.failure = unheard_waits_of(putting_off.objects());
  if (!loading.failure.empty()) return false;
  describe(putting_off.objects(), loading);
  note_place_of(putting_off.objects());
  const long given = reinterpret_cast<long>(&loading);
  call_on_all(load_there, given, 0, 0);
  if (loading.failure.empty() && make_windows(loading)) return true;
  call_on_all(unload_there, given, 0, 0);
  return false;
}

void open_to_all(const Loading& loading) {
  map_windows(loading);
  call_on_all(map_there, reinterpret_cast<long>(&loading), 0, 0);
  for (std::size_t i = 0; i < loading.object_count; ++i)
    explain_later(loading.objects[i].object);
  real::dlopen(loading.path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

void* load_at_place(const char* path, int flags, Loading& loading) {
  PuttingOff putting_off(loading.put_off);
  loading.flags = flags;
  loading.top = g_library_top;
  void* loaded = putting_off.load(loading.top, path, flags);
  if (loaded == nullptr) return fail_with(last_error());
  if (putting_off.objects().empty()) return loaded;
  loading.path = path_for_all(path, static_cast<link_map*>(loaded)->l_name);
  if (share(putting_off, loading)) {
    open_to_all(loading);
    putting_off.construct();
    return loaded;
  }
  real::dlclose(loaded);
  if (putting_off.some_are_loaded())
    refuse(Sentence("a library that can't be unloaded is only on rank 0: ",
                    loading.failure.view()).c_str());
  return fail_with(loading.failure.view());
}

// At a place of its own each time: something else may have been mapped between its pieces.
void* load_new(const char* path, int flags) {
  for (int places_left = place_count_max;; --places_left) {
    auto* loading = static_cast<Loading*>(gallocy_calloc(1, sizeof(Loading)));
    if (loading == nullptr) return fail_with(gallocy_last_error());
    void* loaded = load_at_place(path, flags, *loading);
    const bool try_again = loading->lies_elsewhere && places_left > 1;
    if (!loading->failure.empty() && !try_again)
      client::say(Sentence("gallocy: dlopen of ", path, " is refused: ", loading->failure.view(),
                           "\n"));
    gallocy_free(loading);
    if (!try_again) return loaded;
  }
}

// What is loaded with the program, the linker makes ready for lookups when it is opened first.
bool is_opened_first(const void* library) {
  static constinit const void* opened[object_count_max];
  for (const void*& known : opened) {
    if (known == library) return false;
    if (known != nullptr) continue;
    known = library;
    return true;
  }
  return true;
}

void* find_loaded(const char* path, int flags) {
  void* loaded = real::dlopen(path, flags | RTLD_NOLOAD);
  if (loaded == nullptr || (!is_opened_first(loaded) && (flags & RTLD_GLOBAL) == 0)) return loaded;
  const char* name = static_cast<link_map*>(loaded)->l_name;
  const LibraryPath found = *name == '\0' ? LibraryPath() : absolute(name);  // '': the program
  call_on_all(open_loaded_there, (long)(found.c_str()), flags, 0);
  return loaded;
}

void* load(const char* path, int flags, const void* caller) {
  last_error();  // what was to be told of an earlier call
  if (path == nullptr) return real::dlopen(path, flags);
  const Lock lock;
  if (void* loaded = find_loaded(path, flags); loaded != nullptr) return loaded;
  const LibraryPath found = library_for(caller, path);
  if ((flags & RTLD_NOLOAD) != 0)
    return found.empty() ? nullptr : find_loaded(found.c_str(), flags);
  return load_new(found.empty() ? path : found.c_str(), flags);
}

void* open(const char* path, int flags, const void* caller) {
  void* loaded = nullptr;
  at_first([&] { loaded = load(path, flags, caller); });
  return loaded;
}

}  // namespace

GALLOCY_TAKES void* dlopen(const char* path, int flags) {
  const void* caller = __builtin_return_address(0);
  if (is_application()) return open(path, flags, caller);
  const bool is_early = stage() == Stage::loading && path != nullptr && *path != '\0';
  return is_early && (flags & RTLD_NOLOAD) == 0 ? load_early(path, flags, caller)
                                                : real::dlopen(path, flags);
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
