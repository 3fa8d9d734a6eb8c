#include "preload/put_off.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <utility>

#include "preload/ceiling.hpp"
#include "preload/dynamic_section.hpp"
#include "preload/objects.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(dlopen)

namespace gallocy::preload {

namespace {

using Constructor = void(int, char**, char**);

constexpr ElfW(Sxword) tags[PutOff::entry_count] = {DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ,
                                                    DT_FINI, DT_FINI_ARRAYSZ};

template <std::size_t object>
void mark(int argument_count, char** arguments, char** environment) {
  if (t_putting_off != nullptr)
    t_putting_off->mark(object, argument_count, arguments, environment);
}

template <std::size_t... objects>
constexpr std::array<Constructor*, sizeof...(objects)> all_marks(
    std::index_sequence<objects...>) {
  return {mark<objects>...};
}

constinit auto g_marks = all_marks(std::make_index_sequence<put_off_count_max>{});

void call_nothing() {}

template <class Pointer>
ElfW(Xword) address_in(const link_map& object, Pointer* pointer) {
  return reinterpret_cast<ElfW(Xword)>(pointer) - object.l_addr;
}

link_map* last_object() {
  link_map* object = _r_debug.r_map;
  while (object->l_next != nullptr) object = object->l_next;
  return object;
}

void write_entry(const PutOff& of, PutOff::Entry entry, ElfW(Xword) value) {
  if (of.entries[entry] != nullptr) of.entries[entry]->d_un.d_val = value;
}

}  // namespace

// Not a moment longer: what other threads have the C library load has to be constructed.
void* PuttingOff::load(std::uint64_t top, const char* path, int flags) {
  const Ceiling ceiling(top);
  t_putting_off = this;
  void* loaded = real::dlopen(path, flags);
  t_putting_off = nullptr;
  return loaded;
}

// The linker's lock is held from before the first allocation, which comes before the first object.
void PuttingOff::on_allocation() {
  if (last_ == nullptr) {
    last_ = last_object();
    return;
  }
  for (; last_->l_next != nullptr; last_ = last_->l_next) put_off(*last_->l_next);
}

// Each rank has its own C core, whose constructors it calls itself.
void PuttingOff::put_off(link_map& object) {
  if (count_ == put_off_count_max)
    refuse(Sentence("it has loaded more than ", put_off_count_max, " libraries at once").c_str());
  PutOff& of = objects_[count_++];
  of = {&object, {}, {}, 0};
  if (sharing_of(object.l_name) != Sharing::nothing_to_share) return;
  for (auto* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry)
    for (int i = 0; i < PutOff::entry_count; ++i)
      if (entry->d_tag == tags[i]) {
        of.entries[i] = entry;
        of.values[i] = entry->d_un.d_val;
      }
  const DynamicSection section = dynamic_section_of(info_of(object));
  if (section.is_read_only) protect(section, PROT_READ | PROT_WRITE);
  const bool has_array = of.entries[PutOff::init_array] != nullptr;
  Constructor*& mark = g_marks[&of - objects_];
  write_entry(of, PutOff::init_array, address_in(object, &mark));
  write_entry(of, PutOff::init_array_bytes, sizeof mark);
  write_entry(of, PutOff::init,
              address_in(object, has_array ? reinterpret_cast<const void*>(call_nothing)
                                           : reinterpret_cast<const void*>(mark)));
  write_entry(of, PutOff::fini, address_in(object, reinterpret_cast<const void*>(call_nothing)));
  write_entry(of, PutOff::fini_array_bytes, 0);
  if (section.is_read_only) protect(section, PROT_READ);
}

void PuttingOff::mark(std::size_t object, int argument_count, char** arguments,
                      char** environment) {
  argument_count_ = argument_count;
  arguments_ = arguments;
  environment_ = environment;
  objects_[object].turn = ++marked_count_;
}

bool PuttingOff::some_are_loaded() const {
  for (const link_map* object = _r_debug.r_map; object != nullptr; object = object->l_next)
    if (std::ranges::find(objects(), object, &PutOff::object) != objects().end()) return true;
  return false;
}

void PuttingOff::construct() {
  for (const PutOff& of : objects()) {
    const DynamicSection section = dynamic_section_of(info_of(*of.object));
    protect(section, PROT_READ | PROT_WRITE);
    for (int i = 0; i < PutOff::entry_count; ++i)
      write_entry(of, static_cast<PutOff::Entry>(i), of.values[i]);
    protect(section, PROT_READ);
  }
  for (std::size_t turn = 1; turn <= marked_count_; ++turn)
    call(*std::ranges::find(objects(), turn, &PutOff::turn));
}

void PuttingOff::call(const PutOff& of) const {
  const ElfW(Addr) base = of.object->l_addr;
  if (of.entries[PutOff::init] != nullptr)
    reinterpret_cast<Constructor*>(base + of.values[PutOff::init])(argument_count_, arguments_,
                                                                   environment_);
  if (of.entries[PutOff::init_array] == nullptr) return;
  auto* const* array = reinterpret_cast<Constructor* const*>(base + of.values[PutOff::init_array]);
  const std::size_t count = of.values[PutOff::init_array_bytes] / sizeof *array;
  for (std::size_t i = 0; i < count; ++i) array[i](argument_count_, arguments_, environment_);
}

}  // namespace gallocy::preload
