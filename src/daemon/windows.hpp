// Where one client sees the pages that it does not see at their own addresses.
//
// A window is that client's word and concerns nobody else: core, directory and locks know own
// addresses only. Another client of the job may see the same page elsewhere, at its own address or
// in a window of its own; what is done to a page in all clients is done in each where it sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "ipc/window.hpp"

namespace gallocy::daemon {

constexpr std::uint64_t own_address_of(PageNo page) {
  return region_base + raw(page) * page_bytes;
}

class Windows {
 public:
  explicit Windows(std::uint64_t region_size_bytes) : region_size_bytes_(region_size_bytes) {}

  std::uint64_t region_size_bytes() const { return region_size_bytes_; }

  // Whether that may be one more: 0, EINVAL for what is no window or collides with one that there
  // is, ENOSPC if there are too many. Whether the client has mapped these pages there is not
  // looked at: a lie spoils memory of its own job, as it could by mapping something else over the
  // region.
  int check(const ipc::Window& window) const;
  // REQUIRES: it was checked.
  void add(const ipc::Window& window);

  // Where the client sees the page. A client without windows, which most are, costs one look.
  std::uint64_t address_of(PageNo page) const {
    const std::uint64_t own_address = own_address_of(page);
    return by_page_.empty() ? own_address : seen_at(own_address);
  }

  // What is seen there: a page of the region, or nothing. Also at the own address of a page that
  // has a window: a fault may have been queued before there was one (ClientSession::add_window).
  std::optional<PageNo> page_at(std::uint64_t address) const {
    const std::uint64_t offset = address - region_base;
    if (offset < region_size_bytes_) return PageNo{offset / page_bytes};
    return seen_in_window(address);
  }

 private:
  std::uint64_t seen_at(std::uint64_t own_address) const;
  std::optional<PageNo> seen_in_window(std::uint64_t address) const;

  std::uint64_t region_size_bytes_;
  std::vector<ipc::Window> by_address_, by_page_;  // all of them, in each order
};

}  // namespace gallocy::daemon
