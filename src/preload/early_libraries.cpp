#include "preload/early_libraries.hpp"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "preload/library_path.hpp"
#include "preload/library_place.hpp"
#include "preload/put_off.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(dlopen)

namespace gallocy::preload {

namespace {

using Room = PutOff[put_off_count_max];

constinit EarlyLibrary g_libraries[early_library_count_max];
constinit std::size_t g_count = 0;
constinit Room g_room_of_others;

void note(const char* opened, void* library, int flags, std::uint64_t top) {
  if (g_count == early_library_count_max)
    refuse(Sentence("constructors of its libraries open more than ", early_library_count_max,
                    " others").c_str());
  const LibraryPath path = path_for_all(opened, static_cast<link_map*>(library)->l_name);
  g_libraries[g_count++] = {::strdup(path.c_str()), flags, top};
}

}  // namespace

std::span<const EarlyLibrary> early_libraries() { return {g_libraries, g_count}; }

// A constructor of what is loaded may load more: it is called when this has been noted.
void* load_early(const char* path, int flags, const void* caller) {
  if (void* loaded = real::dlopen(path, flags | RTLD_NOLOAD); loaded != nullptr) {
    note(path, loaded, flags | RTLD_NOLOAD, g_library_top);
    return loaded;
  }
  auto* room = static_cast<Room*>(::malloc(sizeof(Room)));
  if (room == nullptr) return nullptr;
  const LibraryPath found = library_for(caller, path);
  if (!found.empty()) path = found.c_str();
  PuttingOff putting_off(*room);
  const std::uint64_t top = g_library_top;
  void* loaded = putting_off.load(top, path, flags);
  if (loaded == nullptr || putting_off.objects().empty()) return loaded;
  note_place_of(putting_off.objects());
  note(path, loaded, flags, top);
  real::dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  putting_off.construct();
  return loaded;
}

void take_early_libraries(std::span<const EarlyLibrary> libraries) {
  for (const EarlyLibrary& library : libraries) {
    PuttingOff putting_off(g_room_of_others);
    if (putting_off.load(library.top, library.path, library.flags) == nullptr)
      refuse(Sentence("it can't load what rank 0 has loaded: ", last_error()).c_str());
  }
}

}  // namespace gallocy::preload
