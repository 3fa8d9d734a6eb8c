// What threads ask of synchronisation objects and of each other, and what agents are told. The
// same words for client, daemons and core.
#pragma once

#include <cstdint>

namespace gallocy {

enum class SyncOperation : std::uint8_t {
  take,        // lock, wait; argument: of a barrier, how many threads; of a futex, its sequence;
               // of this and all that follows of a semaphore but init: from_zeros or 0
  try_take,
  give,        // unlock, post, signal, wake; argument: of a futex, how many at most
  give_all,    // broadcast
  init,        // argument: of a semaphore, its value
  destroy,
  consistent,  // of a robust mutex whose owner has ended
  value,       // of a semaphore; of a futex, its sequence
  // Of nodes, not of clients:
  withdraw,    // the take of the same transaction waits no longer; argument: how it ends
  abandon,     // the owner has ended; argument: 1 if its process has
};
constexpr bool is_of_clients(SyncOperation operation) {
  return operation < SyncOperation::withdraw;
}

// A semaphore whose bytes are zeros begins so, with the value 0. What is known of one that was
// initialised is of an object that was there before.
inline constexpr std::uint64_t from_zeros = 1;

// A read-write lock of an unmodified program: its readers are only counted, whoever they are.
// Argument of take, try_take and give.
inline constexpr std::uint64_t readers_counted = 1;

enum class SyncKind : std::uint8_t {
  normal,  // mutexes
  recursive,
  error_check,
  unchecked,  // as normal, and whoever unlocks it, it is unlocked: of unmodified programs
  robust_normal,
  robust_recursive,
  robust_error_check,
  reader,
  writer,
  condition,
  barrier,
  semaphore,
  futex,
};
inline constexpr SyncKind last_sync_kind = SyncKind::futex;
inline constexpr std::uint32_t all_futex_bits = 0xffff'ffff;

enum class ThreadOperation : std::uint8_t {
  detach,
  cancel,
  // Of nodes, not of clients:
  withdraw,  // the join that was made under the same transaction, if it waits still
};
constexpr bool is_of_clients(ThreadOperation operation) {
  return operation < ThreadOperation::withdraw;
}

// What the agent of a client is told when it asks for its next order.
enum class OrderKind : std::uint64_t {
  none,
  start_thread,       // a = thread id, b = function, c = argument
  end,                // the job is over: leave the process with status a
  cancel_thread,      // a = thread id
  last_thread_ended,  // main() had ended by pthread_exit; now nothing runs any more in the job
  take_freed,  // blocks wait that others have freed
  give_spare,  // that, and somebody lacks memory: what the heaps only keep for the next block goes
};

// For ever, of a request that may wait at most so many microseconds from when the daemon sees it;
// clocks are the client's matter.
inline constexpr std::uint64_t no_timeout = ~std::uint64_t{0};

}  // namespace gallocy
