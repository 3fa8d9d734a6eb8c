#include "preload/stream_buffers.hpp"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "preload/blocked_signals.hpp"
#include "preload/forward.hpp"
#include "preload/pages.hpp"

namespace gallocy::preload {

namespace {

struct StreamLock {
  std::atomic<int> word;  // 1: somebody has it, 2: and others may wait in the kernel
  int count;              // how often besides
  void* owner;            // the TCB of who has it
};
static_assert(sizeof(StreamLock) == 16);

enum : int {
  magic = 0x7bad'0000 | INT_MIN,
  magic_mask = 0x7fff'0000 | INT_MIN,
  unbuffered = 0x2,
  in_backup = 0x100,
  line_buffered = 0x200,
  is_file = 0x2000,
  locked_by_user = 0x8000,
};

// Those who wait are threads of rank 0, all others' proxies, in the kernel of its node.
long wake_one(long word, long, long, long, long, long) {
  return ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

StreamLock& lock_of(FILE& stream) { return *static_cast<StreamLock*>(stream._lock); }

bool try_lock(StreamLock& lock) {
  int free = 0;
  if (!lock.word.compare_exchange_strong(free, 1)) return false;
  lock.owner = __builtin_thread_pointer();
  return true;
}

// Whether others may wait.
bool unlock(StreamLock& lock) {
  lock.owner = nullptr;
  return lock.word.exchange(0) == 2;
}

// A handler that comes to the same stream would have its proxy wait for the thread that it has
// interrupted.
template <class Operate>
bool locked(StreamLock& lock, Operate do_it) {
  bool done = false, others_wait = false;
  {
    const BlockedSignals blocked;
    if (!try_lock(lock)) return false;
    done = do_it();
    others_wait = unlock(lock);
  }
  if (others_wait) call_on_first(wake_one, reinterpret_cast<long>(&lock.word), 0, 0, 0, 0, 0);
  return done;
}

bool is_ordinary(const FILE& stream) {
  constexpr int looked_at =
      magic_mask | unbuffered | in_backup | line_buffered | is_file | locked_by_user;
  return (stream._flags & looked_at) == (magic | is_file) && stream._mode < 0;
}

std::size_t distance(const char* begin, const char* end) {
  return end > begin ? static_cast<std::size_t>(end - begin) : 0;
}

std::size_t room(const FILE& stream) {
  return distance(stream._IO_write_ptr, stream._IO_write_end);
}
std::size_t rest(const FILE& stream) {
  return distance(stream._IO_read_ptr, stream._IO_read_end);
}

// Who waits for a page of its own must not keep the stream from others, and who has none there gets
// its signal while it may be handled.
template <class Look>
bool touch(std::size_t size_bytes, Look look) {
  for (std::size_t at = 0; at < size_bytes; at += page_bytes) look(at);
  if (size_bytes != 0) look(size_bytes - 1);
  return true;
}
bool touch_to_read(const char* bytes, std::size_t size_bytes) {
  return touch(size_bytes, [&](std::size_t at) { __atomic_load_n(bytes + at, __ATOMIC_RELAXED); });
}
bool touch_to_write(char* bytes, std::size_t size_bytes) {
  return touch(size_bytes,
               [&](std::size_t at) { __atomic_fetch_or(bytes + at, 0, __ATOMIC_RELAXED); });
}

// The stream that the thread has used lastly without rank 0.
thread_local constinit const FILE* t_used_here = nullptr;

// Its page is brought here as one that may be written, instead of first as one that may be read.
void bring_here(FILE& stream) {
  static_cast<void>(__atomic_fetch_or(&stream._flags2, 0, __ATOMIC_RELAXED));
}

// `fits` is asked before as well: what rank 0 has to do shall not first bring the lock here.
template <class Fits, class Operate>
bool operate(FILE* stream, bool locks, Fits fits, Operate do_it) {
  if (!is_shared(stream)) return false;
  if (t_used_here == stream) bring_here(*stream);
  const auto can_be_done = [&] { return is_ordinary(*stream) && fits(); };
  t_used_here = can_be_done() ? stream : nullptr;
  if (t_used_here == nullptr) return false;
  if (!locks) return do_it();
  return locked(lock_of(*stream), [&] { return can_be_done() && do_it(); });
}

void put(FILE& stream, const char* bytes, std::size_t size_bytes) {
  ::memcpy(stream._IO_write_ptr, bytes, size_bytes);
  stream._IO_write_ptr += size_bytes;
}

void take(FILE& stream, char* bytes, std::size_t size_bytes) {
  ::memcpy(bytes, stream._IO_read_ptr, size_bytes);
  stream._IO_read_ptr += size_bytes;
}

const char* find(const FILE& stream, int wanted, std::size_t size_bytes) {
  return static_cast<const char*>(::memchr(stream._IO_read_ptr, wanted, size_bytes));
}

// As the C library has it: there is none yet, or at least twice the old one.
bool grow(char*& text, std::size_t& room_bytes, std::size_t needed_bytes) {
  constexpr std::size_t first_room_bytes = 120;
  const bool is_none = text == nullptr || room_bytes == 0;
  std::size_t wanted_bytes = is_none ? first_room_bytes : room_bytes;
  if (!is_none && needed_bytes <= wanted_bytes) return true;
  if (is_none) text = nullptr;
  if (needed_bytes > wanted_bytes) wanted_bytes = std::max(needed_bytes, 2 * wanted_bytes);
  auto* grown = static_cast<char*>(::realloc(text, wanted_bytes));
  if (grown == nullptr) return false;
  text = grown;
  room_bytes = wanted_bytes;
  return true;
}

}  // namespace

bool put_into_buffer(FILE* stream, const char* bytes, std::size_t size_bytes, bool locks) {
  const auto fits = [&] {
    return size_bytes <= room(*stream) && touch_to_read(bytes, size_bytes);
  };
  return operate(stream, locks, fits,
                 [&] { return put(*stream, bytes, size_bytes), true; });
}

bool put_line_into_buffer(FILE* stream, const char* text, std::size_t size_bytes, bool locks) {
  const auto fits = [&] {
    return size_bytes < room(*stream) && touch_to_read(text, size_bytes);
  };
  return operate(stream, locks, fits, [&] {
    put(*stream, text, size_bytes);
    put(*stream, "\n", 1);
    return true;
  });
}

bool take_from_buffer(FILE* stream, char* bytes, std::size_t size_bytes, bool locks) {
  const auto fits = [&] {
    return size_bytes <= rest(*stream) && touch_to_write(bytes, size_bytes);
  };
  return operate(stream, locks, fits, [&] { return take(*stream, bytes, size_bytes), true; });
}

bool take_line_from_buffer(FILE* stream, char* line, std::size_t room_bytes, bool locks) {
  if (room_bytes < 2) return false;
  const auto fits = [&] {
    const std::size_t size_bytes = rest(*stream);
    return size_bytes != 0 && touch_to_write(line, std::min(size_bytes, room_bytes));
  };
  return operate(stream, locks, fits, [&] {
    std::size_t size_bytes = std::min(room_bytes - 1, rest(*stream));
    const char* end = find(*stream, '\n', size_bytes);
    if (end == nullptr && size_bytes < room_bytes - 1) return false;
    if (end != nullptr) size_bytes = distance(stream->_IO_read_ptr, end) + 1;
    take(*stream, line, size_bytes);
    line[size_bytes] = '\0';
    return true;
  });
}

bool take_text_from_buffer(FILE* stream, int delimiter, char*& text, std::size_t& room_bytes,
                           ssize_t& taken_bytes, bool locks) {
  return operate(stream, locks, [&] { return rest(*stream) != 0; }, [&] {
    const char* end = find(*stream, delimiter, rest(*stream));
    if (end == nullptr) return false;
    const std::size_t size_bytes = distance(stream->_IO_read_ptr, end) + 1;
    if (!grow(text, room_bytes, size_bytes + 1)) return false;
    take(*stream, text, size_bytes);
    text[size_bytes] = '\0';
    taken_bytes = static_cast<ssize_t>(size_bytes);
    return true;
  });
}

}  // namespace gallocy::preload
