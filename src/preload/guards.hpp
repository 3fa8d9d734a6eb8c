// What the C library makes up for each process, and puts into the TCB of each of its threads: the
// canary that functions put below their return address, and what it XORs addresses with in
// jmp_buf, atexit lists and elsewhere. For the threads of a program they have to be the same on
// all nodes: a coroutine may go on in another thread, on another node.
#pragma once

#include <cstdint>

namespace gallocy::preload {

struct Guards {
  std::uint64_t stack, pointer;
};

inline Guards guards_of_this_thread() {
  Guards guards;
  asm("mov %%fs:0x28, %0" : "=r"(guards.stack));
  asm("mov %%fs:0x30, %0" : "=r"(guards.pointer));
  return guards;
}

// From here on also those of the threads that the caller makes. REQUIRES: none of the frames below
// has put a canary, and nothing will use an address that was hidden in the caller by the C library;
// in a thread that is never cancelled and does not call pthread_exit, that of its start is none.
inline void take_guards(const Guards& guards) {
  asm volatile("mov %0, %%fs:0x28" : : "r"(guards.stack));
  asm volatile("mov %0, %%fs:0x30" : : "r"(guards.pointer));
}

}  // namespace gallocy::preload
