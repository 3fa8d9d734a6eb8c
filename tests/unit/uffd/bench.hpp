// What the tests of this room share: a registered region of 16 pages over page memory, threads
// that touch it, and a pager's loop with deadlines. Exits 77 where userfaultfd is not to be had.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "uffd/memory.hpp"
#include "uffd/region.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::uffd::testing {

inline constexpr std::uint64_t bench_page_count = 16;
inline constexpr std::uint64_t bench_size_bytes = bench_page_count * page_bytes;
inline constexpr int deadline_ms = 5000;

// A thread parked in a fault would make a failed test wait for ever: SIGALRM ends it.
inline const bool armed = [] {
  ::alarm(40);
  const Result<UniqueFd> device = open_device();
  if (device) return true;
  ::printf("skipped: %s\n", device.error().sentence.c_str());
  ::fflush(stdout);
  ::_exit(77);
}();

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().sentence.c_str());
  return std::move(*result);
}

inline void must(const Status& status) {
  if (!status) FAIL(status.error().sentence.c_str());
}

inline UniqueFd fresh_userfaultfd() {
  return must(create_from_device(must(open_device()).get()));
}

using Page = std::vector<std::byte>;
inline Page filled_pages(unsigned char value, std::uint64_t page_count = 1) {
  return Page(page_count * page_bytes, std::byte{value});
}

struct Bench {
  explicit Bench(std::uint64_t features = needed_features)
      : memory(must(PageMemory::create("bench", bench_size_bytes))),
        region(must(map_region(memory.fd(), region_base, bench_size_bytes))),
        userfault(must(UserFault::adopt(fresh_userfaultfd(), features))) {
    must(userfault.register_range(region.address(), region.size_bytes()));
  }

  std::uint64_t address(unsigned page) const { return region.address() + page * page_bytes; }
  std::byte* at(unsigned page) const { return region.data() + page * page_bytes; }
  // Atomic: what orders these accesses is the kernel, which no race detector sees.
  unsigned char load(unsigned page, unsigned offset = 0) const {
    return std::to_integer<unsigned char>(
        std::atomic_ref(at(page)[offset]).load(std::memory_order_relaxed));
  }
  void store(unsigned page, unsigned char value) const {
    std::atomic_ref(*at(page)).store(std::byte{value}, std::memory_order_relaxed);
  }
  bool holds(unsigned page, unsigned char value) const {
    return std::memcmp(at(page), filled_pages(value).data(), page_bytes) == 0;
  }
  bool frame_holds(unsigned page, unsigned char value) const {
    return std::memcmp(memory.frame(PageNo{page}), filled_pages(value).data(), page_bytes) == 0;
  }

  PageMemory memory;
  Region region;
  UserFault userfault;
};

// Waits for the next fault, at most deadline_ms.
inline Fault next_fault(const UserFault& userfault) {
  pollfd wanted{.fd = userfault.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&wanted, 1, deadline_ms) == 1);
  Fault fault;
  const ReadOutcome outcome = userfault.read_faults({&fault, 1});
  REQUIRE(outcome.state == ReadState::faults);
  REQUIRE(outcome.count == 1);
  return fault;
}

inline bool quiet(const UserFault& userfault) {
  Fault fault;
  return userfault.read_faults({&fault, 1}).state == ReadState::would_block;
}

// Runs `work` on a thread of its own, which may park in a fault.
template <class Work>
auto on_thread(Work work) {
  return std::async(std::launch::async, std::move(work));
}

template <class Future>
auto value_of(Future& future) {
  REQUIRE(future.wait_for(std::chrono::milliseconds(deadline_ms)) == std::future_status::ready);
  return future.get();
}

template <class Future>
bool parked(Future& future, int wait_ms = 30) {
  return future.wait_for(std::chrono::milliseconds(wait_ms)) == std::future_status::timeout;
}

}  // namespace gallocy::uffd::testing
