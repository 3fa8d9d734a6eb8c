// What constructors of libraries have done with mutexes and their kin: by the C library, which
// keeps it in the objects. From the start on such objects are the job's service's, which is told
// here what main() finds natively: locks that are held, values of semaphores, and what an object
// was initialised as.
//
// One thread, which becomes main()'s.
#pragma once

#include "preload/stage.hpp"

namespace gallocy::preload {

// A lock that is held or has been; or what it was initialised as: with a value that only the C
// library knows, for `argument` threads, by the clock `argument`.
enum class EarlyKind : std::uint32_t { mutex, reader, writer, semaphore, barrier, condition };

void note_early_object(EarlyKind kind, void* place, unsigned argument);
void note_early_use(EarlyKind kind, void* place);  // keeps the argument
void note_early_take(EarlyKind kind, void* place);
void note_early_give(void* place);
void forget_early_object(void* place);

// The outcome of the C library's call, which is noted.
inline int taken_early(EarlyKind kind, void* place, int error) {
  if (is_early() && error == 0) note_early_take(kind, place);
  return error;
}
inline int given_early(void* place, int error) {
  if (is_early() && error == 0) note_early_give(place);
  return error;
}
inline int used_early(EarlyKind kind, void* place, int error) {
  if (is_early()) note_early_use(kind, place);
  return error;
}
inline int made_early(EarlyKind kind, void* place, unsigned argument, int error) {
  if (is_early() && error == 0) note_early_object(kind, place, argument);
  return error;
}
inline int gone_early(void* place, int error) {
  if (is_early() && error == 0) forget_early_object(place);
  return error;
}

// In the initial thread, before the job has its data: gives locks back to the C library.
void leave_early_locks();

// In main()'s thread, before anything of the program runs there. They must be gone by then.
void take_early_objects();

}  // namespace gallocy::preload
