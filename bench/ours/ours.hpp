// What the measured gallocy programs share.
#pragma once

#include <gallocy/gallocy.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/measure.hpp"

namespace bench {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t words_per_page = page_bytes / sizeof(std::uint64_t);

// Each measures one thing and prints its samples. `count`: how many of them, roughly.
using Measure = void (*)(Arguments& arguments);

// faults.cpp
void measure_read_fault(Arguments& arguments);
void measure_write_fault(Arguments& arguments);
void measure_local_fault(Arguments& arguments);
void measure_first_touch(Arguments& arguments);
// scans.cpp
void measure_scan(Arguments& arguments);
void measure_random_reads(Arguments& arguments);
void hold_memory(Arguments& arguments);
// sync.cpp
void measure_lock_handover(Arguments& arguments);
void measure_spin_flag(Arguments& arguments);
void measure_lock_cached(Arguments& arguments);
void measure_barrier(Arguments& arguments);
// calls.cpp
void measure_ipc(Arguments& arguments);
void measure_malloc(Arguments& arguments);
void measure_create_join(Arguments& arguments);

inline void check(int error, const char* what) {
  if (error != 0) die("%s: %s", what, gallocy_last_error());
}

// Of gallocy memory that the calling thread's node is home of; zeros that nobody has touched.
inline std::uint64_t* new_pages(std::size_t page_count) {
  void* block = gallocy_calloc(page_count + 1, page_bytes);
  if (block == nullptr) die("gallocy_calloc: %s", gallocy_last_error());
  const auto address = reinterpret_cast<std::uintptr_t>(block) + page_bytes - 1;
  return reinterpret_cast<std::uint64_t*>(address / page_bytes * page_bytes);
}

template <class T>
T* new_shared() {
  static_assert(sizeof(T) <= page_bytes);
  return reinterpret_cast<T*>(new_pages(1));
}

inline void fill(std::uint64_t* pages, std::size_t page_count) {
  for (std::size_t i = 0; i < page_count * words_per_page; ++i)
    pages[i] = pattern(i / words_per_page, i % words_per_page);
}

inline void expect_word(std::uint64_t found, std::size_t page, std::size_t word) {
  if (found != pattern(page, word))
    die("page %zu, word %zu: found %#lx, expected %#lx", page, word, found, pattern(page, word));
}

inline void expect_filled(const std::uint64_t* pages, std::size_t page_count) {
  for (std::size_t i = 0; i < page_count * words_per_page; ++i)
    expect_word(pages[i], i / words_per_page, i % words_per_page);
}

inline pthread_t start_on(int node, void* (*function)(void*), void* argument) {
  pthread_t thread;
  check(gallocy_pthread_create_on(&thread, nullptr, function, argument, node), "thread");
  return thread;
}

inline void join(pthread_t thread) {
  check(gallocy_pthread_join(thread, nullptr), "join");
}

inline void run_on(int node, void* (*function)(void*), void* argument) {
  join(start_on(node, function, argument));
}

}  // namespace bench
