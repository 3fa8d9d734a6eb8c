#include "core/sync_object.hpp"

#include <algorithm>

#include "core/planted.hpp"

namespace gallocy::core {

bool is_possible(const SyncRequest& request) {
  if (request.may_be_lent && !can_be_lent(request)) return false;
  const SyncKind kind = request.kind;
  switch (request.operation) {
    case SyncOperation::take:
      if (kind == SyncKind::futex) return request.bits != 0;
      return kind != SyncKind::barrier || request.argument > 0;
    case SyncOperation::try_take:
      return kind != SyncKind::condition && kind != SyncKind::barrier && kind != SyncKind::futex;
    case SyncOperation::give:
      if (kind == SyncKind::futex) return request.bits != 0;
      return kind != SyncKind::barrier;
    case SyncOperation::give_all:
      return kind == SyncKind::condition;
    case SyncOperation::init:
      if (kind == SyncKind::futex) return false;
      return kind != SyncKind::semaphore || request.argument <= Semaphore::value_max;
    case SyncOperation::consistent:
      return is_mutex(kind);
    case SyncOperation::value:
      return kind == SyncKind::semaphore || kind == SyncKind::futex;
    case SyncOperation::destroy:
      return kind != SyncKind::futex;
    case SyncOperation::withdraw:  // an errno
      return request.argument > 0 && request.argument < 4096;
    case SyncOperation::abandon:
      return has_owner(kind);
  }
  return false;
}

// ---- mutex -------------------------------------------------------------------------------

Answer Mutex::admit(const SyncRequest& request, [[maybe_unused]] std::size_t ahead) {
  if (state_ == State::not_recoverable) return {ENOTRECOVERABLE};
  if (depth_ == 0 || (planted(Bug::lock_token_duplicated) && ahead > 1)) {
    owner_ = request.thread;
    depth_ = 1;
    kind_ = request.kind;
    return {state_ == State::owner_died ? EOWNERDEAD : 0};
  }
  if (owner_ != request.thread) return stay;
  switch (request.kind) {
    case SyncKind::recursive:
    case SyncKind::robust_recursive:
      if (depth_ == std::numeric_limits<std::uint32_t>::max()) return {EAGAIN};
      ++depth_;
      return {};
    case SyncKind::error_check:
    case SyncKind::robust_error_check:
      return {EDEADLK};
    default:
      return stay;
  }
}

Answer Mutex::give(const SyncRequest& request, std::size_t) {
  if (request.kind == SyncKind::unchecked) {
    *this = Mutex{};
    return {};
  }
  if (depth_ == 0 || owner_ != request.thread) return {EPERM};
  if (--depth_ == 0 && state_ == State::owner_died) state_ = State::not_recoverable;
  return {};
}

Answer Mutex::consistent(ThreadId thread) {
  if (depth_ == 0 || owner_ != thread || state_ != State::owner_died) return {EINVAL};
  state_ = State::sound;
  return {};
}

// A thread that ends by itself leaves a mutex that is not robust locked, as POSIX has it. Its
// process's end is another matter: no one could ever unlock it.
bool Mutex::abandon(const SyncRequest& request) {
  if (depth_ == 0 || owner_ != request.thread) return false;
  if (!is_robust(kind_) && request.argument == 0) return false;
  depth_ = 0;
  if (is_robust(kind_) && !planted(Bug::dead_owner_unnoticed)) state_ = State::owner_died;
  return !is_robust(kind_);
}

std::vector<ThreadId> Mutex::holders() const {
  return held() ? std::vector{owner_} : std::vector<ThreadId>{};
}

void Mutex::restore(const LockReport& lock) {
  if (held() || !is_mutex(lock.kind)) return;
  owner_ = lock.thread;
  depth_ = lock.depth;
  kind_ = lock.kind;
}

// ---- read-write lock ---------------------------------------------------------------------

Answer ReadWriteLock::admit(const SyncRequest& request, std::size_t ahead) {
  const ThreadId thread = request.thread;
  const bool free_of_writers = raw(writer_) == 0;
  const bool reads = readers_.contains(thread);
  if (writer_ == thread) return {EDEADLK};
  if (request.kind == SyncKind::writer) {
    if (reads && request.argument != readers_counted) return {EDEADLK};
    const std::size_t ignored = planted(Bug::writer_beside_readers) ? 1 : 0;
    if (!free_of_writers || readers_.size() > ignored) return stay;
    writer_ = thread;
    return {};
  }
  if (!free_of_writers || (ahead > 0 && !reads)) return stay;
  if (readers_[thread] == std::numeric_limits<std::uint32_t>::max()) return {EAGAIN};
  ++readers_[thread];
  return {};
}

Answer ReadWriteLock::give(const SyncRequest& request, std::size_t) {
  const ThreadId loser = loser_of(request);
  if (raw(loser) == 0) return {request.argument == readers_counted ? 0 : EPERM};
  const auto reader = readers_.find(loser);
  if (writer_ == loser) writer_ = ThreadId{};
  else if (--reader->second == 0) readers_.erase(reader);
  return {};
}

ThreadId ReadWriteLock::loser_of(const SyncRequest& give) const {
  if (writer_ == give.thread || readers_.contains(give.thread)) return give.thread;
  if (give.argument != readers_counted) return ThreadId{};
  return readers_.empty() ? writer_ : readers_.begin()->first;
}

bool ReadWriteLock::abandon(const SyncRequest& request) {
  if (request.argument == 0) return false;
  if (readers_.erase(request.thread) > 0) return true;
  if (writer_ != request.thread) return false;
  writer_ = ThreadId{};
  return true;
}

std::vector<ThreadId> ReadWriteLock::holders() const {
  if (raw(writer_) != 0) return {writer_};
  std::vector<ThreadId> readers;
  for (const auto& [thread, count] : readers_) readers.push_back(thread);
  return readers;
}

void ReadWriteLock::restore(const LockReport& lock) {
  if (lock.kind == SyncKind::reader) readers_[lock.thread] = lock.depth;
  else if (lock.kind == SyncKind::writer) writer_ = lock.thread;
}

// ---- condition, barrier, semaphore -------------------------------------------------------

Answer Condition::admit(const SyncRequest&, std::size_t) {
  if (waking_ == 0) return stay;
  --waking_;
  return {};
}

// A signal that nobody waits for is lost.
Answer Condition::give(const SyncRequest& request, std::size_t waiting) {
  const bool all = request.operation == SyncOperation::give_all;
  if (planted(Bug::lost_signal) && waiting > 1 && !all) return {};
  waking_ = std::min<std::size_t>(waiting, all ? waiting : 1);
  return {};
}

Answer Barrier::admit(const SyncRequest& request, std::size_t ahead) {
  if (passing_ > 0) {
    --passing_;
    return {};
  }
  const std::size_t margin = planted(Bug::barrier_off_by_one) ? 2 : 1;
  if (ahead + margin < request.argument) return stay;
  passing_ = ahead;
  return {0, 1};
}

Answer Semaphore::admit(const SyncRequest&, std::size_t) {
  if (value_ == 0) return stay;
  --value_;
  return {};
}

Answer Semaphore::give(const SyncRequest&, std::size_t) {
  if (value_ == value_max) return {EOVERFLOW};
  ++value_;
  return {};
}

}  // namespace gallocy::core
