#include "preload/real.hpp"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"

namespace gallocy::preload {

namespace {

using Teller = char*();

thread_local constinit char t_error[PATH_MAX + 256] = "";
thread_local constinit bool t_has_error = false;

// Found by the first lookup of a name, when there is no error yet.
Teller* teller() {
  static constinit std::atomic<Teller*> found = nullptr;
  Teller* known = found.load(std::memory_order_relaxed);
  if (known != nullptr) return known;
  known = reinterpret_cast<Teller*>(::dlsym(RTLD_NEXT, "dlerror"));
  found.store(known, std::memory_order_relaxed);
  return known;
}

}  // namespace

void keep_error(std::string_view text) {
  const std::size_t kept = std::min(text.size(), sizeof t_error - 1);
  ::memcpy(t_error, text.data(), kept);
  t_error[kept] = '\0';
  t_has_error = true;
}

char* last_error() {
  if (!t_has_error) return teller()();
  t_has_error = false;
  return t_error;
}

void* next_definition(const char* name) {
  if (const char* error = teller()(); error != nullptr) keep_error(error);
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found != nullptr) return found;
  const Sentence sentence("gallocy: the C library has no ", name, "\n");
  [[maybe_unused]] const auto written = ::write(2, sentence.c_str(), sentence.view().size());
  ::_exit(70);
}

}  // namespace gallocy::preload
