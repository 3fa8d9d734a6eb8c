// The C library's own functions behind the names that this library takes. All lookups are here.
//
// Code of other rooms in this library (client, ipc, uffd) means the C library when it calls one of
// those names: the linker turns its references to NAME into __wrap_NAME (src/preload/meson.build),
// which is defined beside each name.
#pragma once

#include <atomic>
#include <string_view>

namespace gallocy::preload {

// The next definition after this library's. Ends the process with a sentence if there is none.
void* next_definition(const char* name);

// The C library's dlerror() tells of the last call of dlsym, and so of those made here. What the
// program is to hear instead is kept for the calling thread, and told once, as dlerror() does:
// nullptr if there is nothing to tell.
void keep_error(std::string_view text);
char* last_error();

// A function by its integer registers; the result is rax.
using AnyFunction = long(long, long, long, long, long, long);

// Looked up at the first call, which may come before any constructor has run. Any thread.
template <class Type>
class Real {
 public:
  constexpr explicit Real(const char* name) : name_(name) {}

  Type* get() const { return reinterpret_cast<Type*>(pointer()); }

  AnyFunction* any() const { return reinterpret_cast<AnyFunction*>(pointer()); }

  template <class... Arguments>
  auto operator()(Arguments... arguments) const {
    return get()(arguments...);
  }

 private:
  void* pointer() const {
    void* found = found_.load(std::memory_order_relaxed);
    if (found == nullptr) {
      found = next_definition(name_);
      found_.store(found, std::memory_order_relaxed);
    }
    return found;
  }

  const char* name_;
  mutable std::atomic<void*> found_ = nullptr;
};

}  // namespace gallocy::preload

// real::NAME(...) calls the C library's. Attributes of its declaration (what must not be null) say
// nothing about the pointer.
#define GALLOCY_REAL(name) \
  _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"") namespace gallocy::preload::real { \
  inline constinit Real<decltype(::name)> name(#name); \
  }

#define GALLOCY_TAKES extern "C" __attribute__((visibility("default")))
