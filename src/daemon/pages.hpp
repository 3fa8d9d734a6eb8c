// The memory of one job on this node: frames, in-flight slots and the page table, each in a
// sealed memfd, and the actions of core that change who can see which bytes.
//
// Order at a holder: protect, copy, drop, and only then a message. core emits the actions in that
// order and they are carried out in it, so nothing here is deferred.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/result.hpp"
#include "core/event.hpp"
#include "core/page_table.hpp"
#include "daemon/windows.hpp"
#include "uffd/memory.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::daemon {

// One client's address space: the handle on it, and where it sees each page.
struct ClientView {
  const uffd::UserFault& userfault;
  const Windows& windows;

  std::uint64_t address_of(PageNo page) const { return windows.address_of(page); }
};

class Pages {
 public:
  static Result<Pages> create(JobId job, std::uint64_t region_size_bytes,
                              std::uint32_t slot_count);

  std::span<core::PageEntry> entries() const;
  int fd() const { return frames_.fd(); }
  std::uint64_t resident_page_count() const { return frames_.resident_page_count(); }
  std::span<const std::byte> frame(PageNo page) const { return {frames_.frame(page), page_bytes}; }
  std::span<const std::byte> slot(std::uint32_t slot) const {
    return {slots_.frame(PageNo{slot}), page_bytes};
  }

  // What an action in a client's address space came to.
  enum class Outcome { done, client_gone, out_of_memory };

  Outcome install(const ClientView& client, const core::Install& what,
                  std::span<const std::byte> message_bytes);
  Outcome unprotect(const ClientView& client, PageNo page);
  Outcome protect(const ClientView& client, PageNo page);
  // REQUIRES: the node does not hold the page.
  Outcome poison(const ClientView& client, PageNo page);
  void wake(const ClientView& client, PageNo page);

  void store(PageNo page, std::span<const std::byte> message_bytes);
  void capture(PageNo page, std::uint32_t slot);
  void restore(PageNo page, std::uint32_t slot);
  void drop(PageNo page, std::uint32_t count = 1);

 private:
  Pages(uffd::PageMemory frames, uffd::PageMemory slots, uffd::PageMemory table)
      : frames_(std::move(frames)), slots_(std::move(slots)), table_(std::move(table)) {}
  Outcome install_bytes(const ClientView& client, PageNo page, uffd::Mode mode,
                        std::span<const std::byte> message_bytes);
  Outcome install_zeros(const ClientView& client, PageNo page, uffd::Mode mode);
  Outcome map_frame(const ClientView& client, PageNo page, uffd::Mode mode);

  uffd::PageMemory frames_;
  uffd::PageMemory slots_;
  uffd::PageMemory table_;
};

}  // namespace gallocy::daemon
