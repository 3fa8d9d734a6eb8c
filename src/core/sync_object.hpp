// The states of the objects that threads wait at, without the queue of those who wait.
//
// An object decides with admit() about who asks or stands first in its queue: an answer, or
// `stay`. Whenever something has changed, its queue is served from the front as long as that is
// admitted, so what can be had is never kept from somebody who waits for it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "core/message.hpp"

namespace gallocy::core {

inline bool is_mutex(SyncKind kind) { return kind <= SyncKind::robust_error_check; }
inline bool is_robust(SyncKind kind) {
  return is_mutex(kind) && kind >= SyncKind::robust_normal;
}
// Somebody has it between take and give.
inline bool has_owner(SyncKind kind) { return kind <= SyncKind::writer; }

// Whether a grant of it may go with the mutex itself.
inline bool can_be_lent(const SyncRequest& request) {
  return is_mutex(request.kind) && !is_robust(request.kind) &&
         (request.operation == SyncOperation::take ||
          request.operation == SyncOperation::try_take);
}

// Whether the operation exists for such objects, and the argument is one.
bool is_possible(const SyncRequest& request);

struct Answer {
  std::int32_t status = 0;
  std::uint64_t value = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};
inline constexpr Answer stay{-1};

// What holds for objects that say nothing else.
struct Unowned {
  Answer consistent(ThreadId) { return {EINVAL}; }
  Answer value() const { return {EINVAL}; }
  bool abandon(const SyncRequest&) { return false; }  // whether the thread had it
  bool held() const { return false; }
  ThreadId owner() const { return ThreadId{}; }  // 0: nobody alone
  std::vector<ThreadId> holders() const { return {}; }
  void restore(const LockReport&) {}  // the thread has it
  bool idle() const { return true; }  // as good as new: may be forgotten when nobody waits
};

class Mutex : public Unowned {
 public:
  Answer admit(const SyncRequest& request, std::size_t ahead);
  Answer give(const SyncRequest& request, std::size_t waiting);
  Answer consistent(ThreadId thread);
  bool abandon(const SyncRequest& request);
  bool held() const { return depth_ > 0; }
  ThreadId owner() const { return held() ? owner_ : ThreadId{}; }
  std::vector<ThreadId> holders() const;
  void restore(const LockReport& lock);
  bool idle() const { return depth_ == 0 && state_ == State::sound; }
  bool was_just_taken() const {
    return depth_ == 1 && !is_robust(kind_) && state_ == State::sound;
  }

 private:
  // owner_died: an owner of the robust mutex has ended with it and nobody has called what it
  // protects consistent. not_recoverable: and then it was unlocked.
  enum class State : std::uint8_t { sound, owner_died, not_recoverable };
  ThreadId owner_{};
  std::uint32_t depth_ = 0;
  SyncKind kind_ = SyncKind::normal;
  State state_ = State::sound;
};

// Readers together or one writer; first come, first served, so neither starves. A thread that
// reads already may do so once more: to wait behind a writer, it would wait for itself.
//
// Where readers are only counted, one that wants to write waits as anybody does, and whoever gives
// the lock back ends the writer's hold or one reader's.
class ReadWriteLock : public Unowned {
 public:
  Answer admit(const SyncRequest& request, std::size_t ahead);
  Answer give(const SyncRequest& request, std::size_t waiting);
  bool abandon(const SyncRequest& request);
  bool held() const { return raw(writer_) != 0 || !readers_.empty(); }
  ThreadId owner() const { return writer_; }
  // Whose hold that ends; 0: nobody's.
  ThreadId loser_of(const SyncRequest& give) const;
  std::vector<ThreadId> holders() const;
  void restore(const LockReport& lock);
  bool idle() const { return !held(); }

 private:
  ThreadId writer_{};
  std::unordered_map<ThreadId, std::uint32_t> readers_;  // how often
};

class Condition : public Unowned {
 public:
  Answer admit(const SyncRequest& request, std::size_t ahead);
  Answer give(const SyncRequest& request, std::size_t waiting);

 private:
  std::size_t waking_ = 0;  // at the front of the queue; 0 between requests
};

class Barrier : public Unowned {
 public:
  Answer admit(const SyncRequest& request, std::size_t ahead);
  Answer give(const SyncRequest&, std::size_t) { return {EINVAL}; }

 private:
  std::size_t passing_ = 0;  // at the front of the queue; 0 between requests
};

class Semaphore : public Unowned {
 public:
  static constexpr std::uint64_t value_max = std::numeric_limits<std::int32_t>::max();

  Semaphore(std::uint64_t value, bool is_from_zeros)
      : value_(value), is_from_zeros_(is_from_zeros) {}
  Answer admit(const SyncRequest& request, std::size_t ahead);
  Answer give(const SyncRequest& request, std::size_t waiting);
  Answer value() const { return {0, value_}; }
  bool idle() const { return false; }
  bool is_from_zeros() const { return is_from_zeros_; }

 private:
  std::uint64_t value_;
  bool is_from_zeros_;
};

using SyncObject = std::variant<Mutex, ReadWriteLock, Condition, Barrier, Semaphore>;

}  // namespace gallocy::core
