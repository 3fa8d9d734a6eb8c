// exit(): rank 0's, after the calling thread's thread-local objects have been destroyed. So these
// are in a list that is known here; the C library's own has one entry, which stands for all of it.
#include <stdlib.h>

#include <utility>

#include "preload/forward.hpp"
#include "preload/real.hpp"

extern "C" {
int __cxa_thread_atexit_impl(void (*destructor)(void*), void* object, void* library);
extern void* __dso_handle;
}

GALLOCY_REAL(__cxa_thread_atexit_impl)

using namespace gallocy::preload;

namespace {

struct Destruction {
  void (*destructor)(void*);
  void* object;
  Destruction* next;
};

thread_local constinit Destruction* t_destructions = nullptr;  // the last first

constinit Real<AnyFunction> real_exit("exit");

// What a destructor adds comes next.
void destroy(void*) {
  while (t_destructions != nullptr) {
    Destruction* first = std::exchange(t_destructions, t_destructions->next);
    const Destruction copy = *first;
    ::free(first);
    copy.destructor(copy.object);
  }
}

}  // namespace

GALLOCY_TAKES int __cxa_thread_atexit_impl(void (*destructor)(void*), void* object, void* library) {
  if (!is_application()) return real::__cxa_thread_atexit_impl(destructor, object, library);
  auto* destruction = static_cast<Destruction*>(::malloc(sizeof(Destruction)));
  if (destruction == nullptr) ::abort();  // as the C library does
  *destruction = {destructor, object, t_destructions};
  if (t_destructions == nullptr)
    real::__cxa_thread_atexit_impl(destroy, nullptr, &__dso_handle);
  t_destructions = destruction;
  return 0;
}

GALLOCY_TAKES void exit(int status) noexcept {
  if (is_away()) {
    destroy(nullptr);
    call_on_first_with_mask(real_exit.get(), status, 0, 0, 0, 0, 0);
  }
  real_exit(status, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

extern "C" [[noreturn]] void __wrap_exit(int status) {
  real_exit(status, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}
