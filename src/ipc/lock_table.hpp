// Mutexes that are lent to one client, in memory that it shares with its daemon. While one is here,
// a thread takes it and gives it back by one atomic operation, and neither daemon nor home hears of
// it; whoever else wants it makes the home call it back.
//
// A mutex is one word that holds all there is to know: which one it is, who has it and how often.
// So the daemon takes it out by one exchange, and from then on the client's threads do not find it
// any more, including the one that has it: that gives it back by asking. A word can't be taken for
// the one of another mutex that has come to its place meanwhile, since its key would differ.
//
// What the client has written may be anything; the daemon believes nothing of it but who has it.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "base/ids.hpp"
#include "base/thread_calls.hpp"

namespace gallocy::ipc {

class LockTable {
 public:
  struct Removed {
    std::uint64_t address = 0;  // 0: nothing was
    ThreadId owner{};           // 0: nobody has it
    std::uint32_t depth = 0;
  };

  using Word = std::atomic<std::uint64_t>;

  // ---- client: any thread.

  // Where a thread has found a mutex. Holds whatever becomes of the mutex: once it has gone from
  // there, its operations give `elsewhere`.
  struct Place {
    Word* word;
    std::uint64_t free, had;  // the word if nobody has the mutex, and if the thread has it once
  };
  // nullopt: it is not here. `address` is that of the region (own_address_of).
  std::optional<Place> find(std::uint64_t address, ThreadId thread) {
    const std::uint64_t key = key_of(address), owner = owner_bits(thread);
    Word* const word = key == 0 || owner == 0 ? nullptr : find(key);
    if (word == nullptr) return std::nullopt;
    return Place{word, key, key | owner | 1};
  }

  // What take, try_take or give of a mutex comes to without the daemon: 0, an errno; `elsewhere`:
  // ask it. (An int: an optional goes through memory.) kind_of(), an optional<SyncKind>, is asked
  // only if the thread has the mutex already, or gives what it does not have: the mutex's page
  // stays where it is.
  static constexpr int elsewhere = -1;
  template <class KindOf>
  static int operate(Place place, SyncOperation operation, KindOf kind_of) {
    if (operation == SyncOperation::give) return give(place, kind_of);
    if (operation == SyncOperation::take) return take(place, true, kind_of);
    if (operation == SyncOperation::try_take) return take(place, false, kind_of);
    return elsewhere;
  }

  static bool has(Place place) {
    return is_had(place, place.word->load(std::memory_order_relaxed));
  }

  // ---- daemon: one thread.

  // The mutex comes here, and `owner` has it. Another that nobody has may have to leave for it; if
  // none can, it is removed itself.
  Removed place(std::uint64_t address, ThreadId owner) {
    const std::uint64_t key = key_of(address), mine = owner_bits(owner);
    if (key == 0 || mine == 0) return {address, owner, 1};
    Set& set = set_of(key);
    for (auto& word : set)
      if (word.load(std::memory_order_relaxed) == 0) {
        word.store(key | mine | 1, std::memory_order_release);
        return {};
      }
    for (std::size_t i = 0; i < set.size(); ++i) {
      auto& word = set[(next_to_leave_ + i) % set.size()];
      std::uint64_t now = word.load(std::memory_order_relaxed);
      if ((now & ~key_mask) != 0 ||
          !word.compare_exchange_strong(now, key | mine | 1, std::memory_order_acq_rel))
        continue;
      next_to_leave_ = (next_to_leave_ + i + 1) % set.size();
      return removed(now);
    }
    return {address, owner, 1};
  }

  // The client's threads do not find it from now on. Of a client that has spoilt it: nobody has it.
  Removed remove(std::uint64_t address) {
    const std::uint64_t key = key_of(address);
    Word* const word = key == 0 ? nullptr : find(key);
    if (word == nullptr) return {address, {}, 0};
    const Removed what = removed(word->exchange(0, std::memory_order_acq_rel));
    return what.address == address ? what : Removed{address, {}, 0};
  }

  // 0: nobody has it, or it is not here.
  ThreadId owner_of(std::uint64_t address) {
    const std::uint64_t key = key_of(address);
    const Word* const word = key == 0 ? nullptr : find(key);
    return word == nullptr ? ThreadId{} : removed(word->load(std::memory_order_relaxed)).owner;
  }

 private:
  static bool is_had(Place place, std::uint64_t now) {
    return ((now ^ place.had) & ~depth_mask) == 0 && (now & depth_mask) != 0;
  }

  // Most of the time the first try is it.
  template <class KindOf>
  static int take(Place place, bool waits, KindOf kind_of) {
    std::uint64_t now = place.free;
    std::uint64_t next = place.had;
    while (!place.word->compare_exchange_strong(now, next, std::memory_order_acquire,
                                                std::memory_order_relaxed)) {
      next = now == place.free ? place.had : now + 1;
      if (now == place.free) continue;
      if ((now & key_mask) != place.free) return elsewhere;
      if (((now ^ place.had) & ~depth_mask) != 0) return waits ? elsewhere : EBUSY;
      const std::optional<SyncKind> kind = kind_of();
      if (kind == SyncKind::error_check) return waits ? EDEADLK : EBUSY;
      if ((kind == SyncKind::normal || kind == SyncKind::unchecked) && !waits) return EBUSY;
      if (kind != SyncKind::recursive || (now & depth_mask) == depth_mask) return elsewhere;
    }
    return 0;
  }

  // By the first try, unless the thread has it several times or not at all.
  template <class KindOf>
  static int give(Place place, KindOf kind_of) {
    std::uint64_t now = place.had;
    std::uint64_t next = place.free;
    while (!place.word->compare_exchange_strong(now, next, std::memory_order_release,
                                                std::memory_order_relaxed)) {
      const bool has_it = is_had(place, now);
      next = has_it && now != place.had ? now - 1 : place.free;
      if (has_it) continue;
      if ((now & key_mask) != place.free || kind_of() != SyncKind::unchecked) return elsewhere;
      if (now == place.free) return 0;
    }
    return 0;
  }

  // A word: 37 bits for the mutex, 24 for the thread, 3 for how often that has it. The last is 0 if
  // nobody does; then the thread is, too.
  static constexpr unsigned depth_bits = 3, owner_width = 24, counter_bits = 18;
  static constexpr std::uint64_t depth_mask = (1U << depth_bits) - 1;
  static constexpr std::uint64_t key_mask = ~std::uint64_t{0} << (depth_bits + owner_width);
  static constexpr std::uint64_t step = 4;  // the least alignment of a mutex

  // One cache line. How many mutexes are here at once: as many as a large program uses lately.
  using Set = std::array<Word, 8>;
  static constexpr unsigned set_bits = 9;

  static constexpr std::uint64_t key_of(std::uint64_t address) {  // 0: it has none
    const std::uint64_t offset = address - region_base;
    if (offset % step != 0 || offset / step + 1 >= std::uint64_t{1} << 37) return 0;
    return (offset / step + 1) << (depth_bits + owner_width);
  }
  static constexpr std::uint64_t owner_bits(ThreadId thread) {  // 0: it has none
    const std::uint64_t counter = raw(thread) & ((std::uint64_t{1} << 48) - 1);
    const std::uint64_t creator = raw(creator_of(thread));
    if (counter == 0 || counter >> counter_bits != 0 || creator >= max_node_count) return 0;
    return (creator << counter_bits | counter) << depth_bits;
  }
  static constexpr Removed removed(std::uint64_t word) {
    const std::uint64_t key = (word & key_mask) >> (depth_bits + owner_width);
    const std::uint64_t owner = (word & ~key_mask) >> depth_bits;
    const std::uint64_t counter = owner & ((1U << counter_bits) - 1);
    Removed what{region_base + (key - 1) * step, ThreadId{(owner >> counter_bits) << 48 | counter},
                 static_cast<std::uint32_t>(word & depth_mask)};
    if (key == 0) what.address = 0;
    if (what.depth == 0 || counter == 0) what.owner = ThreadId{}, what.depth = 0;
    return what;
  }

  Set& set_of(std::uint64_t key) {
    return sets_[key * 0x9e37'79b9'7f4a'7c15 >> (64 - set_bits)];
  }
  Word* find(std::uint64_t key) {
    for (auto& word : set_of(key))
      if ((word.load(std::memory_order_relaxed) & key_mask) == key) return &word;
    return nullptr;
  }

  alignas(64) std::array<Set, std::size_t{1} << set_bits> sets_;
  alignas(64) std::uint32_t next_to_leave_;  // the daemon's
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace gallocy::ipc
