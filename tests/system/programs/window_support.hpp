// What programs share that see gallocy memory in windows (client/windows.hpp). They are linked with
// the objects of libgallocy: windows are not for applications, but for what runs unmodified ones.
#pragma once

#include <atomic>
#include <cstdint>

#include "client/windows.hpp"
#include "support.h"

namespace windows_test {

inline constexpr std::size_t words_per_page = PAGE / sizeof(std::uint64_t);

inline std::uint64_t number_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

inline void map_window(void* address, std::size_t size_bytes, const void* own) {
  const auto status =
      gallocy::client::map_window(number_of(address), size_bytes, number_of(own));
  if (!status) fprintf(stderr, "%s\n", status.error().sentence.c_str());
  REQUIRE(status.has_value());
}

// Of what another rank has published, when it has.
inline void* find(const char* name) {
  void* found = nullptr;
  for (int i = 0; (found = gallocy_lookup(name)) == nullptr; ++i) {
    REQUIRE(i < 20000);
    usleep(1000);
  }
  return found;
}

// More ranks than nodes: the second of each node sees its pages where they are, the third in
// windows again.
inline bool has_windows() { return gallocy_rank() / gallocy_node_count() % 2 == 0; }

inline void meet_at(pthread_barrier_t* barrier) {
  const int status = gallocy_pthread_barrier_wait(barrier);
  REQUIRE(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
}

inline std::uint64_t value_of(std::uint64_t mark, std::size_t at) { return mark << 32 | at; }

}  // namespace windows_test
