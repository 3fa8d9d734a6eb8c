// How the program may access its memory, where that is not both reading and writing. The kernel of
// each rank holds the program to it, whoever touches the page and from wherever its bytes would
// have to come. The pages themselves go between nodes as ever: that is decided by the daemon.
//
// What is kept in the tables is the same for all ranks; who changes it has the lock of the table,
// so that of two changes of a page the same one is the last on all ranks. A block that is freed may
// be read and written.
#pragma once

#include <sys/mman.h>

#include "preload/mapping_table.hpp"

namespace gallocy::preload {

inline constexpr int open_bits = PROT_READ | PROT_WRITE;

// What of a protection the processor knows: a page that may be written may be read.
constexpr int bits_of(int protection) {
  return (protection & PROT_WRITE) != 0 ? open_bits : protection & PROT_READ;
}

// The rest REQUIRES the lock of the tables of the range, in a thread of the program.

int protection_at(std::uint64_t address);

// All of it has that of its first page.
bool has_one_protection(Range range);

// When it returns, all ranks have it. ENOMEM if one of them can't: its kernel has no room for one
// more map (vm.max_map_count). Then all is as before.
int protect_pages(Range range, int bits);

// As before, of what there is already, that is to have this as well.
int allow_pages(Range range, int bits);

// While it lives, the threads of this process may access the pages; what the runtime has to do
// there is done then. Where the program counts on a fault, and another thread of this process has
// it in that moment, it goes unnoticed.
class Opened {
 public:
  explicit Opened(Range range);
  ~Opened();
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  Range range_;
};

// The rest without the lock. What the program has closed in a block that it frees is opened; and in
// the stack of a thread that ends: the next on it is another.
void open_block(void* block);
void open_own_stack();

}  // namespace gallocy::preload
