// What would differ silently from a native run, and so is refused with a sentence: a child that
// goes on running the program's own code, and memory of the kernel's other kinds.
#include <errno.h>
#include <pty.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/forward.hpp"
#include "preload/refused.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(fork)
GALLOCY_REAL(_Fork)
GALLOCY_REAL(forkpty)
GALLOCY_REAL(clone)
GALLOCY_REAL(daemon)
GALLOCY_REAL(vfork)
GALLOCY_REAL(sem_open)
GALLOCY_REAL(shmat)
GALLOCY_REAL(fopencookie)

using namespace gallocy;
using namespace gallocy::preload;

int preload::refuse_child(const char* call) {
  client::say(Sentence("gallocy: ", call, " is refused: a child would not see the memory of the "
                       "job. posix_spawn, system and popen work\n"));
  errno = ENOSYS;
  return -1;
}

bool preload::is_child() { return ::syscall(SYS_gettid) == ::syscall(SYS_getpid); }

bool preload::may_clone(unsigned long flags) {
  return !is_away() && (flags & CLONE_VM) != 0 && (flags & CLONE_VFORK) != 0;
}

GALLOCY_TAKES pid_t fork() noexcept {
  return is_application() ? refuse_child("fork") : real::fork();
}

extern "C" __attribute__((visibility("default"), alias("fork"))) pid_t __fork() noexcept;

GALLOCY_TAKES pid_t _Fork() noexcept {
  return is_application() ? refuse_child("_Fork") : real::_Fork();
}

GALLOCY_TAKES int forkpty(int* fd, char* name, const termios* state,
                          const winsize* size) noexcept {
  return is_application() ? refuse_child("forkpty") : real::forkpty(fd, name, state, size);
}

GALLOCY_TAKES int clone(int (*function)(void*), void* stack, int flags, void* argument,
                        ...) noexcept {
  va_list list;
  va_start(list, argument);
  void* words[3];
  for (void*& word : words) word = va_arg(list, void*);
  va_end(list);
  if (is_application() && !may_clone(static_cast<unsigned>(flags))) return refuse_child("clone");
  return real::clone(function, stack, flags, argument, words[0], words[1], words[2]);
}

extern "C" __attribute__((visibility("default"), alias("clone"))) int __clone(
    int (*function)(void*), void* stack, int flags, void* argument, ...) noexcept;

GALLOCY_TAKES int daemon(int keep_folder, int keep_streams) noexcept {
  return is_application() ? refuse_child("daemon") : real::daemon(keep_folder, keep_streams);
}

namespace {

pid_t refuse_vfork() { return refuse_child("vfork"); }

}  // namespace

// What is called instead. The child of a thread elsewhere would be one of that node, and nobody
// could wait for it.
extern "C" void* vfork_here() {
  return is_away() ? reinterpret_cast<void*>(refuse_vfork)
                   : reinterpret_cast<void*>(real::vfork.any());
}

// It returns twice, so that there must be no frame below it.
asm(".globl vfork\n"
    ".type vfork, @function\n"
    "vfork:\n"
    "  sub $8, %rsp\n"
    "  call vfork_here\n"
    "  add $8, %rsp\n"
    "  jmp *%rax\n"
    ".size vfork, . - vfork\n"
    ".globl __vfork\n"
    ".set __vfork, vfork\n");

// Memory of the kernel's other kinds lies on one node.
GALLOCY_TAKES void* shmat(int id, const void* address, int flags) noexcept {
  if (is_application()) refuse("memory of shmat is not supported");
  return real::shmat(id, address, flags);
}

GALLOCY_TAKES sem_t* sem_open(const char* name, int flags, ...) noexcept {
  if (is_application()) refuse("a semaphore with a name (sem_open) is not supported");
  va_list list;
  va_start(list, flags);
  const auto mode = va_arg(list, mode_t);
  const auto value = va_arg(list, unsigned);
  va_end(list);
  return real::sem_open(name, flags, mode, value);
}

// Its functions would run in another thread.
GALLOCY_TAKES FILE* fopencookie(void* cookie, const char* mode, cookie_io_functions_t functions)
    noexcept {
  if (is_away()) refuse("fopencookie on another node than the first is not supported");
  return real::fopencookie(cookie, mode, functions);
}
