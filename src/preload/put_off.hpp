// Constructors of libraries that the dynamic linker loads, put off until all ranks have loaded
// them: rank 0 alone calls them, when their data are shared.
//
// The linker maps a library and what it needs, relocates all of them, and calls constructors, in
// one call of dlopen. It allocates by the malloc of this library, the last time after the last
// object was mapped and before anything is relocated. There each new object's table of what to call
// is changed: to a mark of ours, by which the linker tells the order that it would have called them
// in, and to nothing for destructors. See call_init() and _dl_fini() of glibc (elf/dl-init.c,
// elf/dl-fini.c), which read the table only then, and _dl_map_object_deps(), which allocates.
#pragma once

#include <link.h>

#include <cstdint>
#include <span>

namespace gallocy::preload {

inline constexpr std::size_t put_off_count_max = 128;  // objects of one dlopen

// What an object's dynamic section tells to call, and says otherwise while it is put off.
struct PutOff {
  enum Entry { init, init_array, init_array_bytes, fini, fini_array_bytes, entry_count };
  link_map* object;
  ElfW(Dyn)* entries[entry_count];  // nullptr: there is none, or the object is of the C core
  ElfW(Xword) values[entry_count];
  std::size_t turn;  // from 1, when the linker would have constructed it; 0: nothing to construct
};

// One dlopen of the calling thread. What is loaded is told in `room`, which lies elsewhere than on
// a stack that may be small.
class PuttingOff {
 public:
  explicit PuttingOff(PutOff (&room)[put_off_count_max]) : objects_(room) {}
  PuttingOff(const PuttingOff&) = delete;
  PuttingOff& operator=(const PuttingOff&) = delete;

  // As dlopen; it puts what it loads below `top`.
  void* load(std::uint64_t top, const char* path, int flags);

  // What was loaded, in the order of the linker's list.
  std::span<const PutOff> objects() const { return {objects_, count_}; }

  // Whether one of them is there still; what has been unloaded may not be looked at.
  bool some_are_loaded() const;

  // Puts the tables right again, and calls the constructors in their order.
  void construct();

  void on_allocation();
  void mark(std::size_t object, int argument_count, char** arguments, char** environment);

 private:
  void put_off(link_map& object);
  void call(const PutOff& of) const;

  link_map* last_ = nullptr;  // of the linker's list
  PutOff (&objects_)[put_off_count_max];
  std::size_t count_ = 0, marked_count_ = 0;
  int argument_count_ = 0;
  char** arguments_ = nullptr;
  char** environment_ = nullptr;
};

inline thread_local constinit PuttingOff* t_putting_off = nullptr;

}  // namespace gallocy::preload
