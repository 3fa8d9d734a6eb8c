#include "preload/real.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include "base/text.hpp"

namespace gallocy::preload {

void* next_definition(const char* name) {
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found != nullptr) return found;
  const Sentence sentence("gallocy: the C library has no ", name, "\n");
  [[maybe_unused]] const auto written = ::write(2, sentence.c_str(), sentence.view().size());
  ::_exit(70);
}

}  // namespace gallocy::preload
