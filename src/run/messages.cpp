#include "run/messages.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/start_thread.hpp"

namespace gallocy::run {

namespace {

// A daemon that logs without end may not fill the launcher's memory behind a blocked terminal.
constexpr std::size_t waiting_bytes_max = 4 << 20;

void write_fully(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto count = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (count > 0) done += static_cast<std::size_t>(count);
    else if (errno == EAGAIN) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    else if (errno != EINTR) return;
  }
}

}  // namespace

struct Messages::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> waiting;
  std::size_t waiting_bytes = 0;
  bool writing = false;
};

Messages::Messages(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

Try<Messages> Messages::open() {
  auto shared = std::make_shared<Shared>();
  auto thread = start_thread([shared] { write_all(shared); });
  if (!thread) return refuse(exit_unavailable, thread.error().sentence.c_str());
  thread->detach();
  return Messages{std::move(shared)};
}

void Messages::write_all(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock{shared->mutex};
  for (;;) {
    shared->changed.wait(lock, [&] { return !shared->waiting.empty(); });
    const std::string text = std::move(shared->waiting.front());
    shared->waiting.pop_front();
    shared->waiting_bytes -= text.size();
    shared->writing = true;
    lock.unlock();
    write_fully(text);
    lock.lock();
    shared->writing = false;
    shared->changed.notify_all();
  }
}

void Messages::say(std::string_view sentence) {
  relay(fmt::format("gallocy-run: {}\n", sentence));
}

void Messages::relay(std::string text) {
  const std::lock_guard lock{shared_->mutex};
  if (shared_->waiting_bytes + text.size() > waiting_bytes_max) return;
  shared_->waiting_bytes += text.size();
  shared_->waiting.push_back(std::move(text));
  shared_->changed.notify_all();
}

bool Messages::finish(int limit_ms) {
  std::unique_lock lock{shared_->mutex};
  return shared_->changed.wait_for(lock, std::chrono::milliseconds{limit_ms}, [&] {
    return shared_->waiting.empty() && !shared_->writing;
  });
}

}  // namespace gallocy::run
