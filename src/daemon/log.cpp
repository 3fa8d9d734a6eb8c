#include "daemon/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/start_thread.hpp"

namespace gallocy::daemon {
namespace {

constexpr std::size_t capacity_bytes = 256 * 1024;
constexpr int poll_ms = 100;
constexpr auto last_words_limit = std::chrono::seconds(1);

// What a pipe takes without blocking once poll has said that it is writable.
constexpr std::size_t piece_bytes = 4096;

// False: the reader has gone. `give_up` is asked whenever the descriptor is not ready.
template <class GiveUp>
bool write_all(int fd, std::string_view text, GiveUp give_up) {
  while (!text.empty()) {
    pollfd entry{fd, POLLOUT, 0};
    if (::poll(&entry, 1, poll_ms) <= 0) {
      if (give_up()) return false;
      continue;
    }
    const ssize_t count = ::write(fd, text.data(), std::min(text.size(), piece_bytes));
    if (count < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Log::Log(std::vector<int> fds, std::string name)
    : fds_(std::move(fds)), name_(std::move(name)) {
  buffer_.reserve(capacity_bytes);
}

Status Log::start() {
  return start_thread([this] { run(); }).map([this](std::thread&& thread) {
    thread_ = std::move(thread);
  });
}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Log::line(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    // Within the reserved room, so that no caller ever waits for an allocation of this size.
    if (buffer_.size() + name_.size() + text.size() + 3 > capacity_bytes) {
      ++dropped_count_;
      return;
    }
    buffer_.append(name_).append(": ").append(text).push_back('\n');
  }
  changed_.notify_one();
}

void Log::run() {
  std::string taken;
  taken.reserve(capacity_bytes);
  std::unique_lock lock(mutex_);
  auto deadline = std::chrono::steady_clock::time_point::max();
  const auto give_up = [&] {
    const std::lock_guard hold(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (stopping_ && deadline == std::chrono::steady_clock::time_point::max())
      deadline = now + last_words_limit;
    return now >= deadline;
  };
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !buffer_.empty() || dropped_count_ != 0; });
    if (buffer_.empty() && dropped_count_ == 0) return;
    taken.clear();
    taken.swap(buffer_);
    if (const auto dropped = std::exchange(dropped_count_, 0); dropped != 0)
      taken += name_ + ": " + std::to_string(dropped) + " lines of this log were dropped here\n";
    lock.unlock();
    for (const int fd : fds_) write_all(fd, taken, give_up);
    lock.lock();
    if (stopping_ && std::chrono::steady_clock::now() >= deadline) return;
  }
}

}  // namespace gallocy::daemon
