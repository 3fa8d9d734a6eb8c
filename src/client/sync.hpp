// What the calls on synchronisation objects have in common. An object is its address: its state is
// at the address's home. Its bytes say only of which kind it is; they are read and written here,
// in user mode, and never by the daemon.
#pragma once

#include <pthread.h>
#include <time.h>

#include <bit>

#include "client/process.hpp"
#include "client/windows.hpp"

namespace gallocy::client {

struct Object {
  const char* noun;
  const void* place;
  std::uint64_t address() const { return heap::address_of(place); }  // for people
  std::uint64_t key() const { return own_address_of(address()); }    // for all ranks
};

Status check_place(Object object, std::size_t size_bytes, std::size_t alignment);
template <class Type>
Status check_place(const char* noun, const Type* place) {
  return check_place({noun, place}, sizeof *place, alignof(Type));
}

// EINVAL: the bytes are of nothing that was initialised.
Error not_initialised(Object object);

// Keeps a sentence for a status that is an error: neither 0, nor what a wait with a limit or a try
// is for (EBUSY of a try, ETIMEDOUT, EINTR). Returns the status.
int report(Object object, int status, bool only_tries = false);

int ask(Object object, SyncOperation operation, SyncKind kind,
        std::uint64_t argument = 0, std::uint64_t timeout_us = no_timeout);

// For a wait of so long, as the daemon counts: in whole microseconds, and one more, so that none
// ends too early. 0: the time is over. The nanoseconds may be less than 0.
std::uint64_t timeout_us_of(std::int64_t seconds, std::int64_t nanoseconds);

inline bool is_clock_of_waits(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

// What is left until an absolute time of that clock, 0 if it is over. EINVAL: no such clock or no
// such time.
Result<std::uint64_t> time_left_us(clockid_t clock, const timespec* until);

// The first word of an object whose form is gallocy's own. Zeros are what static initialisers
// write.
inline constexpr std::uint32_t destroyed_word = 0xffff'ffff;
inline std::uint32_t first_word(const void* place) {
  return __atomic_load_n(static_cast<const std::uint32_t*>(place), __ATOMIC_RELAXED);
}
inline void set_first_word(void* place, std::uint32_t word) {
  __atomic_store_n(static_cast<std::uint32_t*>(place), word, __ATOMIC_RELAXED);
}

// A mutex's kind as its bytes have it; checks its place, too.
Result<SyncKind> mutex_kind_of(const pthread_mutex_t* mutex);

// The calling thread frees memory with mutexes that it has locked and leaves so: what is laid out
// there next is unlocked. Of those that it has locked lately only; nobody knows of all.
void forget_mutexes(const void* block, std::size_t size_bytes);

// A bit for each page of it, the same for every 64th.
inline std::uint64_t page_bits(const void* block, std::size_t size_bytes) {
  const std::uint64_t first = heap::address_of(block) / page_bytes;
  const std::uint64_t others = (heap::address_of(block) + size_bytes - 1) / page_bytes - first;
  return others >= 63 ? ~std::uint64_t{0}
                      : std::rotl((std::uint64_t{2} << others) - 1, static_cast<int>(first % 64));
}

// Whether that may be needed: every free() asks.
inline bool may_have_locked_within(const void* block, std::size_t size_bytes) {
  return (self.mutex_pages & page_bits(block, size_bytes)) != 0;
}

// Objects are shared by all ranks and nobody else. An unmodified program has nobody else.
Status check_shared(int shared, const char* nouns);

}  // namespace gallocy::client
