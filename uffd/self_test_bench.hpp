// The machinery of the self-test: a throw-away region, a thread that touches it, and waits that
// end at a deadline. Included by the self-test's two files only.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "uffd/memory.hpp"
#include "uffd/region.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::uffd::self_testing {

std::int64_t now_ns();  // CLOCK_MONOTONIC

// Success, or an error that says what did not hold.
Status expect(bool condition, const char* what);

// One byte moved by the kernel between a scratch file and a page. Never by a load or store:
// those would end in a signal where a system call returns EFAULT, and a fault in kernel mode is
// what we must be able to serve.
struct Touch {
  int scratch = -1;
  std::byte* page = nullptr;
  Access access = Access::read;
  int done = -1;  // eventfd, written when the byte has moved or failed to
  int code = 0;   // errno, once joined
};

class Bench {
 public:
  Bench(PageMemory memory, Region region, UserFault userfault, UniqueFd scratch,
        UniqueFd done, std::int64_t deadline_ns)
      : memory_(std::move(memory)),
        region_(std::move(region)),
        userfault_(std::move(userfault)),
        scratch_(std::move(scratch)),
        done_(std::move(done)),
        deadline_ns_(deadline_ns) {}
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { free_toucher(); }

  // The steps (self_test.cpp), in order: each starts from what the one before has left.
  Status read_inside_system_call();
  Status write_protection();
  Status take_away();
  Status map_and_wake();
  Status zero_pages();
  Status poisoned_page();

 private:
  std::uint64_t address(unsigned page) const { return region_.address() + page * page_bytes; }
  std::byte* frame(unsigned page) const { return memory_.frame(PageNo{page}); }
  int remaining_ms() const;
  void free_toucher();

  Status start(unsigned page, Access access);
  Status join(int expected_code);
  Status next_fault(Fault& fault) const;
  Status raises(unsigned page, Access access, FaultKind kind);  // start, then the fault
  Status passes(unsigned page, Access access, int expected_code = 0);  // start, then join
  Status scratch_takes(char value) const;
  Status scratch_holds(char value) const;

  PageMemory memory_;
  Region region_;
  UserFault userfault_;
  UniqueFd scratch_;
  UniqueFd done_;
  std::int64_t deadline_ns_;
  Touch touch_;
  pthread_t toucher_{};
  bool touching_ = false;
};

}  // namespace gallocy::uffd::self_testing
