// What this process knows of its job, and what every call of the C interface begins and ends
// with. Made once by gallocy_init; nothing in it has a destructor, because threads may run on
// while the process exits.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <cerrno>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "client/futex_lock.hpp"
#include "gallocy/gallocy.h"
#include "client/memory.hpp"
#include "ipc/ring.hpp"

namespace gallocy::client {

// leaving: no more calls are begun; the process still ends with its daemon.
enum class Phase : std::uint32_t { outside, joining, member, leaving, left };

struct Process {
  std::atomic<Phase> phase = Phase::outside;
  // On a page that a child made by fork() sees as zeros.
  std::uint32_t* not_forked = nullptr;

  std::uint64_t region_address = 0, region_size_bytes = 0;
  std::uint32_t rank = 0, rank_count = 0, node = 0, node_count = 0;
  std::uint32_t memory_chunk_count = 0;  // on each node, for all ranks
  bool runs_main = false;  // gallocy_init returns; the thread that called it is the job's
  bool main_is_apart = false;  // main() runs in a thread that adopts itself before it
  // The program has never heard of gallocy: what natively goes well, goes well here. Others are
  // told what is wrong.
  bool is_unmodified = false;
  bool is_guest = false;   // it has started its launcher, and nobody else tells how the job ends

  int socket_fd = -1;     // end of file: the daemon has gone
  int userfault_fd = -1;  // held so that pages don't silently read as zeros without a daemon
  int pages_fd = -1;      // the region's memory, for windows
  int orders_fd = -1;     // a pipe's end, the daemon writes
  int finished_fd = -1;   // eventfd, ended threads write
  ipc::ClientRing ring;

  FutexLock heap_lock;  // of the heaps and of spent_chunks
  heap::Heap heaps[heap_count];
  SpentChunks spent_chunks{};
  std::atomic<std::uint64_t> known_chunks[512] = {};  // bits: has been handed out, in this job

  sigset_t thread_mask{};  // that of gallocy_init's caller; threads start with it
  pthread_t agent{};
  pthread_key_t end_key{};
};
extern constinit Process process;

// Where this thread has lately found mutexes that are lent to the process.
struct KnownMutex {
  const void* mutex;
  ipc::LockTable::Place place;
};
inline constexpr unsigned known_mutex_count = 4, taken_mutex_count = 4;

struct Value {  // of one key, in one thread
  std::uint32_t generation;
  void* pointer;
};

// The calling thread's own; static TLS, so that touching it never allocates.
struct Self {
  std::uint64_t thread = 0;  // ThreadId, 0 if gallocy did not make the thread
  struct OnceCall* once_call = nullptr;  // what it runs for gallocy_pthread_once, innermost
  Value* values = nullptr;   // GALLOCY_KEYS_MAX, made by the first gallocy_pthread_setspecific
  unsigned busy_tries = 0;  // in a row, of mutexes that others had
  KnownMutex known_mutexes[known_mutex_count] = {};  // each in the place that its address gives
  // What it has locked by asking the daemon, the latest, in the order of a ring.
  const void* taken_mutexes[taken_mutex_count] = {};
  unsigned taken_count = 0;
  std::uint64_t mutex_pages = 0;  // page_bits() of all that are known or taken
  char error[ipc::sentence_bytes] = "no error";
};
extern thread_local constinit Self self;

// Keeps the sentence for gallocy_last_error and returns the code.
int report(const Error& error);
inline int report(const Status& status) { return status ? 0 : report(status.error()); }

// EPERM with a sentence unless the process is a member of a job and no fork child.
Status require_member();
// The same, and the thread has an id.
Status require_thread();

inline bool is_fork_child() {
  return process.not_forked != nullptr &&
         __atomic_load_n(process.not_forked, __ATOMIC_RELAXED) == 0;
}

inline bool in_region(const void* pointer, std::size_t size_bytes) {
  const std::uint64_t offset = heap::address_of(pointer) - process.region_address;
  return offset < process.region_size_bytes && size_bytes <= process.region_size_bytes - offset;
}

// Whether the chunk there is known to have been handed out in this job; asks the daemon at the
// first time, which may ask another. Memory of which that is not so must not be read: it is a bus
// error and no sentence. REQUIRES: the address is in the region.
bool was_handed_out(std::uint64_t address);

// The object was, also where a window shows it: for what lies in two chunks at most.
bool in_gallocy_memory(const void* pointer, std::size_t size_bytes);

// Writes to standard error without stdio, as one write.
void say(const Sentence& sentence);

class ErrnoKeeper {
 public:
  ErrnoKeeper() : value_(errno) {}
  ~ErrnoKeeper() { errno = value_; }
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  int value_;
};

}  // namespace gallocy::client
