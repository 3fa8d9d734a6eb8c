// What the dynamic linker has loaded, and which of it is the job's.
//
// Writable segments of the executable and of every library are shared, past what the linker has
// made read-only, but for the C core: state of libc, ld.so, libm and libgcc_s, and this library's,
// belongs to each process.
#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/text.hpp"
#include "ipc/protocol.hpp"
#include "preload/pages.hpp"

namespace gallocy::preload {

inline constexpr std::size_t object_count_max = 512;
inline constexpr std::size_t writable_count_max = 4;  // linkers make up to three

// Whether all nodes share an object's writable data, and if not, why.
enum class Sharing : std::uint32_t { shared, nothing_to_share, c_core, gallocy };

struct Object {  // the same in every rank, byte for byte
  char name[128];  // its end, if it is longer
  std::uint64_t load_address;
  std::uint32_t build_id_size;
  std::uint8_t build_id[ipc::build_id_bytes];
  Sharing sharing;
  Range writable[writable_count_max];  // in the order of addresses; empty ones at the end
};

// By the path that the dynamic linker knows it by, before its segments have been looked at: of the
// program's own objects none is known to be shared.
Sharing sharing_of(std::string_view path);

// Fills the list. More than fit, or an object with more writable segments: ends the process with a
// sentence. The thread must be the only one.
std::size_t list_objects(std::span<Object> objects);

// Of a library that was loaded later.
void describe_library(const dl_phdr_info& library, Object& object);

// Ends the process with a sentence if an object has code that waits at futexes by system calls of
// its own, without the C library's syscall(), as libgomp has: of these the job does not hear, so
// that such a thread would wait for ever for one of another node.
void refuse_unheard_waits();

// Of one library: empty, or why it can't be used on several nodes.
Sentence unheard_waits_of(const dl_phdr_info& library);

// How the object at a rank's place in the list is not that of rank 0, and what to do. Empty: it is
// the same. Behind the end of a list, names are empty.
Sentence difference(const Object& first, const Object& own);

}  // namespace gallocy::preload
