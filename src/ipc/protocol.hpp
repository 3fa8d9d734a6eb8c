// What a client, a launcher and a daemon of one machine say to each other. Two parts:
//
// 1. Set-up and control: one struct per datagram on a UNIX SOCK_SEQPACKET socket, some with
//    file descriptors beside them. Every struct begins with Header; the receiver checks magic,
//    version, kind, exact size and number of descriptors, and drops the sender otherwise.
// 2. The ring: shared memory with a slot per request under way, for all requests after set-up.
//    The client side of a ring may hold anything: the daemon copies a slot out before it looks
//    at it, and trusts no index or word in it.
//
// Both sides are of one version of gallocy; there is no compatibility across versions.
// All structs are fixed-width, free of pointers and of padding that is not zeroed.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/histogram.hpp"
#include "base/placement_policy.hpp"
#include "base/thread_calls.hpp"
#include "ipc/lock_table.hpp"

namespace gallocy::ipc {

inline constexpr std::uint32_t magic = 0x594c4147;  // "GALY"
inline constexpr std::uint16_t version = 1;

enum class Kind : std::uint16_t {
  // client <-> daemon
  client_hello = 1,
  client_welcome,    // + 5 descriptors, in the order of ClientWelcome
  client_userfault,  // + 1 descriptor: the userfaultfd
  client_ready,
  refused,
  // launcher <-> daemon
  job_create = 16,  // to node 0's daemon, once a job
  job_watch,        // to every other daemon of the job
  job_ready,        // answer to both: this node takes part and its peers are connected
  job_start,        // every rank has checked in: let gallocy_init return
  job_statistics_request,
  job_statistics,
  job_end,
  // daemon -> launcher, unasked
  rank_attached = 32,  // + 2 descriptors, in the order of RankAttached
  rank_gone,   // its socket closed
  job_failed,  // the job can't go on; a sentence says why
  job_over,    // after job_end, or after the end that another node told of: see JobOver
  // launcher <-> daemon, before job_create or job_watch on the same connection
  node_query = 48,
  node_info,
  // launcher -> a program that started it, to have a job of one node
  guest_invitation = 52,
  // anybody <-> daemon: statistics pages of the jobs that the sender may see
  pages_request = 56,
  statistics_page,  // + 1 descriptor, once for each job
  pages_end,
};

struct Header {
  std::uint32_t magic_word = magic;
  std::uint16_t version_number = version;
  Kind kind{};
  std::uint32_t size_bytes = 0;  // of the whole struct
  std::uint32_t reserved = 0;
};

inline constexpr unsigned sentence_bytes = 256;  // with the closing zero
inline constexpr unsigned build_id_bytes = 32;   // longer ones are cut
inline constexpr unsigned max_rank_count = 64;

// client -> daemon, first. The daemon has SO_PEERCRED for uid and pid.
struct ClientHello {
  Header header;
  std::uint64_t job = 0;
  std::uint32_t rank = 0;
  std::uint32_t build_id_size = 0;
  std::uint8_t build_id[build_id_bytes] = {};  // of the executable, zero filled
  std::uint64_t load_address = 0;              // of the executable's first segment
};

// daemon -> client. Descriptors: pages memfd, open /dev/userfaultfd, ring memfd, doorbell
// eventfd (client writes), orders pipe's reading end (daemon writes; what it writes has no
// meaning but that there is something to ask for).
struct ClientWelcome {
  Header header;
  std::uint64_t region_address = 0;
  std::uint64_t region_size_bytes = 0;
  std::uint32_t rank = 0, rank_count = 0;
  std::uint32_t node = 0, node_count = 0;
  std::uint32_t every_rank_runs_main = 0;  // 1: gallocy_init returns in this rank, whichever it is
  std::uint32_t memory_chunk_count = 0;    // so many have room in the job's memory on each node
};
inline constexpr unsigned welcome_fd_count = 5;

// client -> daemon, after it has mapped the region and made the userfaultfd. It must not touch
// the region before ClientReady.
struct ClientUserfault {
  Header header;
};

// daemon -> client, when the region is registered and every rank of the job has checked in.
struct ClientReady {
  Header header;
  std::uint64_t thread = 0;  // ThreadId of the process's first thread
};

// daemon -> client or launcher instead of the expected answer; then the daemon closes.
struct Refused {
  Header header;
  std::int32_t code = 0;  // positive errno
  std::uint32_t reserved = 0;
  char sentence[sentence_bytes] = {};
};

struct JobCreate {
  Header header;
  std::uint64_t job = 0;
  std::uint64_t region_size_bytes = 0;  // a multiple of 2 MiB
  std::uint32_t rank_count = 0;
  std::uint32_t node_count = 0;
  std::uint8_t nodes[max_rank_count] = {};  // node id of rank r's daemon: nodes[r % node_count]
  std::uint16_t cpus[max_rank_count] = {};  // NodeInfo::cpu_count of the same daemon
  PlacementPolicy placement = PlacementPolicy::spread;
  std::uint32_t every_rank_runs_main = 0;  // else rank 0 alone does
  std::uint64_t memory_bytes = 0;  // bound of the job on each node; 0: a share of the daemon's
};

struct JobWatch {
  Header header;
  std::uint64_t job = 0;
};

struct JobReady {
  Header header;
  std::uint64_t job = 0;
  std::uint32_t node = 0;
  std::uint32_t reserved = 0;
};

struct JobStart {
  Header header;
  std::uint64_t job = 0;
};

struct JobStatisticsRequest {
  Header header;
  std::uint64_t job = 0;
};

// How a fault was resolved; index of RankStatistics::faults.
enum class FaultKind : std::uint32_t {
  local,         // the node had the page: install, unprotect or wake, no message
  first_touch,   // zero page
  remote_read,   // bytes came from another node
  remote_write,  // bytes came from another node, exclusive
  upgrade,       // own copy became writable
  poisoned,      // nothing to give: SIGBUS
};
inline constexpr unsigned fault_kind_count = 6;

struct RankStatistics {
  std::uint32_t rank = 0;
  std::uint32_t node = 0;
  std::uint64_t threads_run = 0;  // of the program, main() of rank 0 included
  std::uint64_t faults[fault_kind_count] = {};
};

// One per daemon: its local ranks (statistics of ranks that have ended stay).
struct JobStatistics {
  Header header;
  std::uint64_t job = 0;
  std::uint32_t node = 0;
  std::uint32_t rank_count = 0;  // entries used
  std::uint64_t peer_bytes_in = 0, peer_bytes_out = 0;
  std::uint64_t resident_pages = 0;  // that the node holds for the job
  std::uint64_t connections_resumed = 0;  // to other nodes: broken and taken up again
  std::uint64_t pages_evicted = 0;  // copies given back to their homes for want of memory
  RankStatistics ranks[max_rank_count];
  Histogram::Buckets latency_us = {};  // of faults, from the event's reading to the wake-up
};

struct JobEnd {
  Header header;
  std::uint64_t job = 0;
};

// Descriptors: the rank's userfaultfd, and the pages memfd. Whoever holds them as well makes sure
// that no page of the rank reads as zero for want of somebody to serve it.
struct RankAttached {
  Header header;
  std::uint64_t job = 0;
  std::uint32_t rank = 0;
  std::uint32_t build_id_size = 0;
  std::uint8_t build_id[build_id_bytes] = {};
  std::uint64_t load_address = 0;
};
inline constexpr unsigned rank_fd_count = 2;

struct RankGone {
  Header header;
  std::uint64_t job = 0;
  std::uint32_t rank = 0;
  std::uint32_t reserved = 0;
};

struct JobFailed {
  Header header;
  std::uint64_t job = 0;
  char sentence[sentence_bytes] = {};
};

// This node has nothing of the job any more: no client, no thread, and what memory it had is there
// for the next job. The answer to every JobEnd, for a job that never came to be too.
struct JobOver {
  Header header;
  std::uint64_t job = 0;
};

// Which node is this? A launcher that was given the sockets of running daemons asks before it
// can name the nodes in JobCreate. The connection goes on as if nothing had been asked.
struct NodeQuery {
  Header header;
};

struct NodeInfo {
  Header header;
  std::uint32_t node = 0;
  std::uint32_t cpu_count = 0;  // that the daemon may use, at least 1
};

// In place of the environment that gallocy-run gives the ranks that it starts.
struct GuestInvitation {
  Header header;
  std::uint64_t job = 0;
  char socket_path[108] = {};  // of the daemon; what an address of a UNIX socket can hold
};

struct PagesRequest {
  Header header;
};

// Beside it the memory of the job's page, which can only be read; its layout: gallocy/stats.h.
struct StatisticsPage {
  Header header;
  std::uint64_t job = 0;
};

struct PagesEnd {
  Header header;
};

// ---- the ring ----------------------------------------------------------------------------

// Arguments and values by index. Every request gets exactly one reply: status 0 or a positive
// errno, and values. A request that waits (sync, join) is answered when the wait is over.
enum class Operation : std::uint32_t {
  ping = 1,        // ()                                      -> ()
  // (count, node or any_node, address wanted or 0, how many pages of them, the last, count when
  // they are touched and not before) -> (address of the first chunk)
  chunks,
  sync,            // (address, thread, SyncOperation, SyncKind, argument, timeout_us, 1 if the
                   //  thread can be cancelled; of a futex instead of that: its bits) -> (value)
  thread_create,   // (function, argument, node or any_node, 1 if detached, 1 if it is a thread of
                   //  the runtime and not of the program) -> (thread id)
  thread_join,     // (thread id, joiner, timeout_us, 1 if the joiner can be cancelled) -> (result);
                   //  with a timeout of 0: ETIMEDOUT unless it has ended already
  next_order,      // ()                                      -> (OrderKind, a, b, c), never waits
  thread_started,  // (thread id, errno of pthread_create)    -> ()
  thread_exited,   // (thread id, result)                     -> ()
  take_freed,      // (1 if what heaps only keep has been given since the order to) -> (count, up
                   //  to 5 addresses of own blocks that others freed)
  gather_freed,    // () -> (1 or 0): no room was found. What others freed of any client's blocks,
                   //  and what heaps only keep, has gone back; 1: there may be more to come
  finalize,        // ()      -> (): the process will not touch the region again
  thread_control,    // (thread id, ThreadOperation)          -> ()
  thread_cancelled,  // (thread id): pthread_cancel has been called for it -> ()
  thread_interrupted,  // (thread id) -> (): a signal handler has run in it while it waits at a
                       // semaphore or a futex. That ends with EINTR, unless it is over
  condition_wait,    // (condition, thread, mutex, its SyncKind, timeout_us, 1 if the thread can be
                     //  cancelled) -> (), with the mutex locked again
  prefetch,          // (address, size in bytes)               -> (), never waits
  root,              // (address or 0)  -> (the job's root): the first address that is proposed
  home_of,           // (address) -> (node), EINVAL if nobody was ever given that memory
  claim_chunk,       // (address of a chunk that the client has) -> (): all of its pages count from
                     //  now on; ENOMEM if there is no memory for them
  return_chunks,     // (address of the first chunk, count) -> (): all of them are zero again
  window,            // (address, size in bytes, own address of the first page) -> (): the client
                     //  has mapped these pages there, and sees them at that address only from now
                     //  on. EINVAL: not whole pages, none, not all of them pages of the region, at
                     //  addresses of the region, or one of the pages or addresses has a window
                     //  already; ENOSPC: too many; else what UFFDIO_REGISTER says: EINVAL or EPERM
                     //  for what is mapped there, EBUSY if another userfaultfd serves it, ENOMEM
};
inline constexpr std::uint64_t any_node = ~std::uint64_t{0};

inline constexpr unsigned slot_count = 1024;
inline constexpr unsigned freed_place_count = 512;
inline constexpr unsigned argument_count = 7;
inline constexpr unsigned value_count = 6;

// A block that another client owns, in one word that is never 0.
struct FreedBlock {
  std::uint64_t address = 0;  // below 2^47
  std::uint32_t owner_node = 0;  // of 256
  unsigned size_width = 0;    // bits of its size in bytes: about how large it is

  constexpr std::uint64_t word() const {
    return address | std::uint64_t{owner_node} << 48 | std::uint64_t{size_width} << 56;
  }
  static constexpr FreedBlock of(std::uint64_t word) {
    return {word & ((std::uint64_t{1} << 48) - 1), static_cast<std::uint32_t>(word >> 48 & 0xff),
            static_cast<unsigned>(word >> 56 & 0x3f)};
  }
};

// Protocol of a slot, owned by one client thread while its request is under way:
//   client: operation, arguments, its kernel thread id; then ++sequence (release); sets its
//           bit in Ring::ready; full fence; if daemon_sleeps, writes 1 to the doorbell; waits
//           (futex) until replied == sequence.
//   daemon: takes the bits, copies the slot, acts; later status, values; then
//           replied = sequence it saw (release); FUTEX_WAKE on `replied`.
struct alignas(128) Slot {
  std::atomic<std::uint32_t> sequence;
  Operation operation;
  std::uint64_t arguments[argument_count];
  std::uint32_t thread;  // as the kernel's page faults name it
  std::uint32_t reserved;
  std::atomic<std::uint32_t> replied;
  std::int32_t status;
  std::uint64_t values[value_count];
};
static_assert(sizeof(Slot) == 128 && std::atomic<std::uint32_t>::is_always_lock_free);

struct Ring {
  std::uint32_t magic_word;
  std::uint32_t version_number;
  // Set by the daemon before it sleeps. It then looks at `ready` once more (full fence
  // between), so either it sees the bit or the client sees the word.
  alignas(64) std::atomic<std::uint32_t> daemon_sleeps;
  // How many blocks of this client were freed elsewhere and wait for take_freed. A hint.
  alignas(64) std::atomic<std::uint32_t> freed_pending;
  // Blocks of others that this client has freed, each in any place that is 0: a FreedBlock. The
  // client puts them, counts, and rings the doorbell as for a request, but waits for nothing; the
  // daemon takes them all when it looks, and when the client has gone. With no place free the
  // client sends a ping: when that is answered, the daemon has looked.
  alignas(64) std::atomic<std::uint32_t> freed_count;
  alignas(64) std::atomic<std::uint64_t> freed[freed_place_count];
  alignas(64) std::atomic<std::uint64_t> ready[slot_count / 64];
  Slot slots[slot_count];
  LockTable locks;  // mutexes that the client has been lent
};

}  // namespace gallocy::ipc
