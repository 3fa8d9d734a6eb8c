// What would differ silently from a native run, and so is refused with a sentence: a child that
// goes on running the program's own code, and libraries that are loaded when threads may be on
// other nodes.
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(fork)
GALLOCY_REAL(daemon)
GALLOCY_REAL(vfork)
GALLOCY_REAL(dlopen)
GALLOCY_REAL(dlerror)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

thread_local constinit bool t_refused_library = false;

int refuse_child(const char* call) {
  client::say(Sentence("gallocy: ", call, " is refused: a child would not see the memory of the "
                       "job. posix_spawn, system and popen work\n"));
  errno = ENOSYS;
  return -1;
}

}  // namespace

GALLOCY_TAKES pid_t fork() noexcept {
  return is_application() ? refuse_child("fork") : real::fork();
}

GALLOCY_TAKES int daemon(int keep_folder, int keep_streams) noexcept {
  return is_application() ? refuse_child("daemon") : real::daemon(keep_folder, keep_streams);
}

// The child would be one of this node, and nobody could wait for it.
extern "C" void* vfork_here() {
  if (is_away())
    refuse("vfork on another node than the first is not supported; posix_spawn works");
  return reinterpret_cast<void*>(real::vfork.any());
}

// It returns twice, so that there must be no frame below it.
asm(".globl vfork\n"
    ".type vfork, @function\n"
    "vfork:\n"
    "  sub $8, %rsp\n"
    "  call vfork_here\n"
    "  add $8, %rsp\n"
    "  jmp *%rax\n"
    ".size vfork, . - vfork\n");

// A library that is there already is no new state.
GALLOCY_TAKES void* dlopen(const char* path, int flags) {
  if (!is_application() || path == nullptr) return real::dlopen(path, flags);
  void* loaded = real::dlopen(path, flags | RTLD_NOLOAD);
  if (loaded != nullptr) return loaded;
  client::say(Sentence("gallocy: dlopen of ", path, " is refused: it is not supported yet once "
                       "main() runs\n"));
  t_refused_library = true;
  return nullptr;
}

GALLOCY_TAKES char* dlerror() noexcept {
  static constinit char text[] = "refused by gallocy: libraries are loaded at the start only";
  if (!t_refused_library) return real::dlerror();
  t_refused_library = false;
  return text;
}
