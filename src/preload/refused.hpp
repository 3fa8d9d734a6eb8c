// What is refused with a sentence, and by which names else.
#pragma once

namespace gallocy::preload {

// A call that makes a child of the whole program: says that it is refused. -1, ENOSYS.
int refuse_child(const char* call);

// clone() with these flags makes no such child, but one that borrows the memory until it executes
// another program, as that of vfork does; and not on another node than the first.
bool may_clone(unsigned long flags);

// The caller is a child of vfork, which has the memory and the thread of who made it. (main() is
// not run by the first thread of its process: start.cpp.)
bool is_child();

}  // namespace gallocy::preload
