// How far the start of this process has come, which says whom a call is for.
#pragma once

#include "client/process.hpp"
#include "client/windows.hpp"

namespace gallocy::preload {

enum class Stage {
  unknown,   // nobody has looked yet
  no_rank,   // nobody preloaded this by gallocy-run: every call is the C library's
  loading,   // libraries are being loaded and constructed
  starting,  // joining the job; then for ever, for threads of the runtime
};

// Any thread, at any time.
Stage stage();
void set_stage(Stage stage);

// What calls are constructors of libraries, and the dynamic linker.
inline bool is_early() { return stage() == Stage::loading; }

// The calling thread is one of the program's, in a job: what it makes is shared.
inline bool is_application() { return client::self.thread != 0; }

// All nodes of the job see the object, and threads of all of them may use it.
inline bool is_shared(const void* object) {
  const std::uint64_t own = client::own_address_of(heap::address_of(object));
  return client::in_region(reinterpret_cast<const void*>(own), 1);
}

// What is done at such an object is the job's, and not the C library's.
inline bool is_served(const void* object) { return is_application() && is_shared(object); }

// Ends the job with a sentence: what the program asks for can't be served as it would be natively.
// No silent difference.
[[noreturn]] void refuse(const char* what);

// The job had no room for so many bytes, which the kernel may have promised natively, and many
// programs don't look whether they got any. Says so, the first time, before the caller fails.
void say_no_room(std::size_t size_bytes);

// The program asked that its shared memory may be executed. Says that it may not, the first time,
// before the caller fails: many programs don't look.
void say_no_code();

}  // namespace gallocy::preload
