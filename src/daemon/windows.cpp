#include "daemon/windows.hpp"

#include <algorithm>
#include <cerrno>

namespace gallocy::daemon {
namespace {

using Key = std::uint64_t ipc::Window::*;

auto after(const std::vector<ipc::Window>& windows, Key key, std::uint64_t address) {
  return std::ranges::upper_bound(windows, address, {}, key);
}

void insert(std::vector<ipc::Window>& windows, Key key, const ipc::Window& window) {
  windows.insert(after(windows, key, window.*key), window);
}

// The window whose bytes, by that key, the address is one of. REQUIRES: ordered by the key.
const ipc::Window* find(const std::vector<ipc::Window>& windows, Key key, std::uint64_t address) {
  const auto next = after(windows, key, address);
  if (next == windows.begin()) return nullptr;
  const ipc::Window& window = *std::prev(next);
  return address - window.*key < window.size_bytes ? &window : nullptr;
}

}  // namespace

int Windows::check(const ipc::Window& window) const {
  if (!ipc::is_sound(window, region_base, region_size_bytes_)) return EINVAL;
  const auto collides = [&](const ipc::Window& other) { return ipc::collide(window, other); };
  if (std::ranges::any_of(by_address_, collides)) return EINVAL;
  return by_address_.size() < ipc::window_count_max ? 0 : ENOSPC;
}

void Windows::add(const ipc::Window& window) {
  insert(by_address_, &ipc::Window::address, window);
  insert(by_page_, &ipc::Window::own_address, window);
}

std::uint64_t Windows::seen_at(std::uint64_t own_address) const {
  const ipc::Window* window = find(by_page_, &ipc::Window::own_address, own_address);
  if (window == nullptr) return own_address;
  return window->address + (own_address - window->own_address);
}

std::optional<PageNo> Windows::seen_in_window(std::uint64_t address) const {
  const ipc::Window* window = find(by_address_, &ipc::Window::address, address);
  if (window == nullptr) return std::nullopt;
  const std::uint64_t own_address = window->own_address + (address - window->address);
  return PageNo{(own_address - region_base) / page_bytes};
}

}  // namespace gallocy::daemon
