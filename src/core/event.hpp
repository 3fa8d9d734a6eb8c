// What goes into a core and what comes out. The driver (daemon or simulator) carries out all
// actions of a step, in order, then calls Node::carried_out(), then may step again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "core/message.hpp"

namespace gallocy::core {

// Microseconds of a clock of the driver's that never goes back. Never compared across nodes.
using TimeUs = std::uint64_t;

enum class FaultCause : std::uint8_t { missing, minor, write_protect };

// ---- events ------------------------------------------------------------------------------

// A thread of a local client is parked in an access. May be stale or repeated: the page table
// decides, the cause only says which ioctl ends it.
struct Fault {
  ClientId client{};
  std::uint32_t thread = 0;  // kernel thread id
  PageNo page{};
  Access access = Access::read;
  FaultCause cause = FaultCause::missing;
};

// A message from a peer. For PageData the driver holds the bytes until the step's actions are
// carried out; core refers to them as Source::message.
struct PeerMessage {
  NodeId from = no_node;
  Message message;
};

struct ClientAttached {
  ClientId client{};
  bool runs_main = false;  // its first thread is an application thread (rank 0)
};
struct ClientGone {
  ClientId client{};
};

// A request through the client's ring. `tag` comes back in Reply.
struct CallTag {
  ClientId client{};
  std::uint32_t slot = 0;
  std::uint32_t sequence = 0;
};
struct ChunksCall {
  std::uint32_t count = 0;
  NodeId node = no_node;      // whose chunks; no_node: this node's, or another's if it has none
  std::uint64_t wanted = 0;   // 0, or the address of the only first chunk that will do
  std::uint64_t idle_pages = 0;  // see LoanRequest
};
// A chunk that the client was given, all pages of which count from now on: see LoanRequest.
struct ClaimChunkCall {
  std::uint64_t address = 0;
};
// Consecutive chunks that the client was given and does not use any more.
struct ReturnChunksCall {
  std::uint64_t address = 0;
  std::uint32_t count = 0;
};
struct ThreadCreateCall {
  std::uint64_t function = 0;
  std::uint64_t argument = 0;
  NodeId node = no_node;  // no_node: the next in turn
  bool detached = false;
  bool of_runtime = false;  // not the program's
};
// A request to a synchronisation object that may wait, but not for ever.
struct SyncCall {
  SyncRequest request;
  TimeUs timeout_us = no_timeout;
  bool interruptible = false;  // ECANCELED when the thread is cancelled
};
// Waits at a condition (`wait`), without the mutex meanwhile.
struct ConditionWaitCall {
  SyncCall wait;
  std::uint64_t mutex = 0;
  SyncKind mutex_kind = SyncKind::normal;
};
struct ThreadJoinCall {
  ThreadJoin join;
  bool interruptible = false;  // ECANCELED when the joiner is cancelled
  std::uint64_t timeout_us = no_timeout;  // ETIMEDOUT; 0: only if the thread has ended already
};
// The C library has been told to cancel the thread: its waits that may be interrupted end.
struct ThreadCancelledCall {
  ThreadId thread{};
};
// A signal handler has run in the thread, which waits at a semaphore or a futex: that ends.
struct ThreadInterruptedCall {
  ThreadId thread{};
};
// Which node is home of what is there?
struct HomeCall {
  std::uint64_t address = 0;
};
struct PrefetchCall {
  std::uint64_t address = 0;
  std::uint64_t size_bytes = 0;
};
struct NextOrderCall {};
struct TakeFreedCall {
  bool has_given_spare = false;  // since it was last ordered to, if it was
};
// The client has found no room. Answered when what others freed, or only keep, has gone back to the
// homes: 1 if there may be room now, else 0.
struct GatherFreedCall {};
// ThreadStarted, ThreadExited, ThreadControl and RootRequest are used as they are.
struct ClientCall {
  CallTag tag;
  std::variant<ChunksCall, SyncCall, ConditionWaitCall, ThreadCreateCall, ThreadJoinCall,
               NextOrderCall, ThreadStarted, ThreadExited, TakeFreedCall, ThreadControl,
               ThreadCancelledCall, ThreadInterruptedCall, RootRequest, ReturnChunksCall,
               ClaimChunkCall, HomeCall, PrefetchCall, GatherFreedCall>
      call;
  std::uint32_t thread = 0;  // kernel thread id of who calls; as in Fault
};

// A local client has freed a block that another client owns. Nobody waits for that.
struct BlockFreed {
  std::uint64_t address = 0;
  NodeId owner = no_node;        // the node of who owns it, by the freeing client's word
  std::uint64_t size_bytes = 0;  // about; likewise
};

// What has become of a mutex that a client was lent (tokens.hpp): it is not in the client's table
// any more, and that thread has it, or nobody if depth is 0. By the client's word. Follows the step
// with TakeToken for it before any other event; or comes by itself, when it had to make room.
struct TokenTaken {
  ClientId client{};
  std::uint64_t address = 0;
  ThreadId owner{};
  std::uint32_t depth = 0;
};

// The members agreed that `node` is one no more: its lease has ended, nothing that it has written
// or sent since counts. All members hear of all removals in the same order, each at its own time.
struct ChunkRun {
  ChunkNo first{};
  std::uint32_t count = 0;
  NodeId home = no_node;
};
struct MemberRemoved {
  NodeId node = no_node;   // not this one
  NodeId heir = no_node;   // the member that is home of its chunks from now on
  Epoch epoch{};           // the next one
  // All chunks that were ever handed out, with their homes before this. They are part of what
  // members agree upon: the coordinator tells nobody of a chunk before that.
  std::vector<ChunkRun> chunks;

  // The chunks that the heir inherits.
  template <class Visit>
  void for_each_inherited(Visit visit) const {
    for (const ChunkRun& run : chunks)
      for (std::uint32_t i = 0; run.home == node && i < run.count; ++i)
        visit(ChunkNo{raw(run.first) + i});
  }
};

// The job is over: every agent is told to leave with `status`.
struct JobEnding {
  std::int32_t status = 0;
};

// Nothing but time has passed: next_deadline() was reached.
struct Tick {};

using Event = std::variant<Fault, PeerMessage, ClientAttached, ClientGone, ClientCall, BlockFreed,
                           TokenTaken, MemberRemoved, JobEnding, Tick>;

// ---- actions -----------------------------------------------------------------------------

inline constexpr std::uint32_t no_slot = ~std::uint32_t{0};

enum class PayloadKind : std::uint8_t { none, frame, slot };
struct Payload {
  PayloadKind kind = PayloadKind::none;
  std::uint32_t slot = no_slot;
};
// Queue a message for a peer. Payload bytes are copied when this is carried out.
struct Send {
  NodeId to = no_node;
  Message message;
  Payload payload;
};

enum class Source : std::uint8_t {
  message,  // bytes beside the message of this step; the frame is empty
  zero,     // the frame is empty and becomes a page of zeros
  present,  // the frame has the bytes
};
// Map the page in a client and wake the threads that wait for it.
struct Install {
  ClientId client{};
  PageNo page{};
  Access access = Access::read;
  Source source = Source::present;
};
// Put the message's bytes into the frame without mapping it anywhere.
struct Store {
  PageNo page{};
};
struct Unprotect {
  ClientId client{};
  PageNo page{};
};
struct Wake {
  ClientId client{};
  PageNo page{};
};
// Accesses fault with SIGBUS from now on: nobody was ever given this memory, or its home has no
// frame left for it, or its bytes are lost.
struct Poison {
  ClientId client{};
  PageNo page{};
  NodeId full_home = no_node;
  std::uint64_t memory_pages = 0;      // the full home's bound
  NodeId lost_with = no_node;          // the removed node that had them
  Epoch lost_since{};
};
// Write-protect in all clients.
struct Protect {
  PageNo page{};
};
// Copy frame to slot.
struct Capture {
  PageNo page{};
  std::uint32_t slot = no_slot;
};
// Copy slot to frame, which is empty, without mapping it anywhere.
struct Restore {
  PageNo page{};
  std::uint32_t slot = no_slot;
};
// Unmap everywhere and free the frames of `count` pages.
struct Drop {
  PageNo page{};
  std::uint32_t count = 1;
};

inline constexpr unsigned reply_value_count = 6;
struct Reply {
  CallTag tag;
  std::int32_t status = 0;
  std::array<std::uint64_t, reply_value_count> values{};
};
// The client's agent has orders waiting (NextOrderCall).
struct NotifyAgent {
  ClientId client{};
};
// `count` blocks wait for the client's TakeFreedCall.
struct FreedPending {
  ClientId client{};
  std::uint32_t count = 0;
};
struct Attached {
  ClientId client{};
  ThreadId thread{};
};
// The client's threads take and give back this mutex by themselves from now on; `owner` has it.
struct PlaceToken {
  ClientId client{};
  std::uint64_t address = 0;
  ThreadId owner{};
};
// And from now on not any more. Answered by TokenTaken.
struct TakeToken {
  ClientId client{};
  std::uint64_t address = 0;
};
// A lock that is not robust passes on although its owner, whose process has ended, has not given
// it back: what it protects may be half done.
struct OwnerLost {
  std::uint64_t address = 0;
  ThreadId owner{};
};
// A peer said what it cannot say: end the connection with this reason.
struct DropPeer {
  NodeId peer = no_node;
  std::string_view reason;  // static text
};

using Action = std::variant<Send, Install, Store, Unprotect, Wake, Poison, Protect, Capture,
                            Restore, Drop, Reply, NotifyAgent, FreedPending, Attached, PlaceToken,
                            TakeToken, OwnerLost, DropPeer>;
using Actions = std::vector<Action>;

}  // namespace gallocy::core
