// What the cores of two nodes say to each other about one job. The meaning of each message
// and field is specified in wire/peer.capnp; this is its form inside the program.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/thread_calls.hpp"

namespace gallocy::core {

// A request and everything that follows from it carry the same transaction: made by the
// requester, current while the home's entry (or the requester's own record) names it.
struct Transaction {
  NodeId requester = no_node;
  std::uint64_t counter = 0;  // 48 bits, from 1
  friend auto operator<=>(const Transaction&, const Transaction&) = default;
};

enum class Access : std::uint8_t { read, write };

// requester -> home. `upgrade` says that the requester believes to hold a shared copy; the
// home decides by its copyset, since that copy may have been invalidated on the way.
enum class RequestKind : std::uint8_t { read, write, upgrade };
struct PageRequest {
  RequestKind kind = RequestKind::read;
  PageNo page{};
  std::uint64_t since_us = 0;  // when the access began, in the time of the job (turn.hpp)
};

// home -> holder: send the bytes to `requester`, keeping a read copy (access = read) or none.
struct Recall {
  Access access = Access::read;
  PageNo page{};
  NodeId requester = no_node;
  Version version{};  // that the requester will hold
  std::uint32_t acks_expected = 0;
  std::uint64_t since_us = 0;
  std::uint64_t delayed_us = 0;  // in the home's queue
};

// home -> sharer: drop the copy and acknowledge to `requester`.
struct Invalidate {
  PageNo page{};
  NodeId requester = no_node;
  std::uint64_t since_us = 0;
};

// sharer -> requester.
struct InvalidateAck {
  PageNo page{};
};

// An older access than was known waits for the page. requester -> home, with the transaction of
// its request: another thread has joined it. home -> whoever was sent a recall or an
// invalidation, with that transaction: an older request is queued behind it, and a holder that
// keeps the page from the younger must not keep it from the older.
struct Hasten {
  PageNo page{};
  NodeId requester = no_node;  // whose access it is
  std::uint64_t since_us = 0;
};

// holder -> home, with the transaction whose bytes are in a slot: an older access waits for a slot.
// That transaction waits for acknowledgements, which somebody may delay for an access in between,
// or for the very access that waits here.
struct SlotWanted {
  PageNo page{};               // that is in the slot
  NodeId requester = no_node;  // whose access it is
  std::uint64_t since_us = 0;
};

// holder -> requester; the page's 4096 bytes travel beside it.
struct PageData {
  PageNo page{};
  Version version{};
  Access access = Access::read;
  std::uint32_t acks_expected = 0;
  std::uint64_t delayed_us = 0;  // in the home's queue, and by the holder
};

// home -> requester: permission without bytes. `zero`: the page is all zeros; otherwise the
// requester's own shared copy becomes writable.
struct Grant {
  PageNo page{};
  Version version{};
  Access access = Access::read;
  std::uint32_t acks_expected = 0;
  bool zero = false;
};

// requester -> home: installed; the entry may serve the next request.
struct Done {
  PageNo page{};
};

// home -> former holder: the kept bytes of a page given away may go.
struct Release {
  PageNo page{};
};

// node -> coordinator: a run of `count` consecutive fresh chunks, homed at the sender.
struct ChunkRequest {
  std::uint32_t count = 0;
};
// coordinator -> node. count 0: the region is exhausted.
struct ChunkGrant {
  ChunkNo first{};
  std::uint32_t count = 0;
};
// node -> coordinator, on first use of an unknown chunk.
struct ChunkQuery {
  ChunkNo chunk{};
};
// coordinator -> node. home = no_node: nobody was ever given that chunk.
struct ChunkHome {
  ChunkNo chunk{};
  NodeId home = no_node;
};

// Chunks for a client of the sender, which are and stay homed at the receiver.
struct LoanRequest {  // node -> home
  std::uint32_t count = 0;
  ChunkNo wanted{};     // no_chunk, or the only first chunk that will do
  bool overcommit = false;  // even if the home could not hold all that it has lent, were it touched
  std::uint64_t idle_pages = 0;  // the last of them, which count when they are touched
  bool claim = false;  // `wanted` was lent to the sender before: from now on all of its pages count
};
// How much memory a home has promised, or several together; in pages.
struct Promises {
  std::uint64_t could_hold = 0;
  std::uint64_t promised = 0;
  std::uint64_t touched = 0;

  Promises& operator+=(const Promises& other) {
    could_hold += other.could_hold;
    promised += other.promised;
    touched += other.touched;
    return *this;
  }
};
struct Loan {  // back. count 0: there are none
  ChunkNo first{};
  std::uint32_t count = 0;
  Promises of_home{};
};

// A client gives back chunks: every page of them becomes zero again, everywhere.
struct ChunkReturn {  // its node -> home
  ChunkNo first{};
  std::uint32_t count = 0;
};
struct ChunkReturned {};  // back, when they are in the home's pool
// home -> who has copies of the chunk's pages: drop them all. No page of it is on its way.
struct Discard {
  ChunkNo chunk{};
};
struct Discarded {  // back
  ChunkNo chunk{};
};

// Objects that threads wait at have their state at the home of their page: node -> that home.
// Answered by SyncReply when the operation is over: for `take` that is when it has been granted
// or withdrawn.
struct SyncRequest {
  std::uint64_t address = 0;
  ThreadId thread{};
  SyncOperation operation = SyncOperation::take;
  SyncKind kind = SyncKind::normal;
  std::uint64_t argument = 0;
  std::uint32_t bits = 0;  // of a futex: a wake is for waits that have one of its bits
  bool may_be_lent = false;  // take and try_take of a mutex that is not robust
};
struct SyncReply {
  std::int32_t status = 0;  // 0 or a positive errno; EINPROGRESS: waits at the condition
  std::uint64_t value = 0;  // of a semaphore; 1: the thread that completed the barrier; of a futex
                            // its sequence, or how many were woken
  bool lent = false;        // the mutex's state goes with the grant (tokens.hpp)
};

// home -> borrower: others want the mutex, or its memory is over. Answered by TokenReturn, unless
// that is on its way.
struct TokenRecall {
  std::uint64_t address = 0;
};

// home -> node of that thread: what it had of the mutex it has no more. Another thread has unlocked
// it, or its memory is another object's. Or to all nodes, of a read-write lock that another thread
// has unlocked. Comes behind the grant, and before a later one.
struct Unheld {
  std::uint64_t address = 0;
  ThreadId thread{};
};

// A thread's record lives at the node that created it, which is in its id; it runs elsewhere.
struct ThreadStart {  // record's node -> node that shall run it
  ThreadId thread{};
  std::uint64_t function = 0;
  std::uint64_t argument = 0;
  bool of_runtime = false;  // not the program's
};
struct ThreadStarted {  // back
  ThreadId thread{};
  std::int32_t status = 0;
};
struct ThreadExited {  // running node -> record's node
  ThreadId thread{};
  std::uint64_t result = 0;
};
struct ThreadJoin {  // joining node -> record's node
  ThreadId thread{};
  ThreadId joiner{};
};
struct ThreadJoined {  // back, when the thread has ended
  std::int32_t status = 0;
  std::uint64_t result = 0;
};

struct ThreadControl {  // node -> record's node
  ThreadId thread{};
  ThreadOperation operation = ThreadOperation::detach;
};
struct ThreadControlled {  // back, for detach and cancel
  std::int32_t status = 0;
};
struct ThreadCancel {  // record's node -> running node, once
  ThreadId thread{};
};
struct ThreadCancelled {  // back, when no wait that may be interrupted can be granted any more
  ThreadId thread{};
};

// main() has ended by pthread_exit: have all threads? Two rounds of the same answers say so.
struct ThreadCountRequest {};
struct ThreadCount {
  std::uint64_t made = 0;  // records ever made at this node
  std::uint64_t live = 0;  // of threads that have not ended
};

// What all ranks find the job's own objects by: an address that is agreed upon once.
struct RootRequest {  // node -> coordinator: the root shall be this, if there is none. 0: ask only
  std::uint64_t address = 0;
};
struct RootReply {
  std::uint64_t address = 0;  // the root; 0 if there is none
};

// node -> node of the blocks' owners: blocks of clients there were freed here.
inline constexpr std::size_t max_freed_blocks = 64;
struct BlocksFreed {
  std::vector<std::uint64_t> addresses;  // at most max_freed_blocks
};
// node -> every node: a client here lacks memory. Batches leave, and clients there take what was
// freed of theirs, and give what they only keep.
struct GatherFreed {};
struct FreedGathered {  // back, when that is done or has taken too long
  bool again = false;  // more may come back: something had been on its way, or was returned since
};

// holder -> home: the holder wants to be rid of its copy, which it keeps, protected, until the
// answer, and after an acceptance drops and says done. `bytes`: the page travels beside it; needed
// from an owner, and from the last sharer.
struct Writeback {
  PageNo page{};
  Version version{};
  bool bytes = false;
};
enum class WritebackOutcome : std::uint8_t {
  accepted,      // the holder drops the page and says done
  busy,          // a transaction is under way that counts on this copy
  bytes_needed,  // it is the last copy
};
// home -> holder.
struct WritebackAck {
  PageNo page{};
  WritebackOutcome outcome = WritebackOutcome::accepted;
};
// home -> requester, instead of a grant: no frame is left at the home for one more page that is
// not zero. The requester drops its copy, if any, and answers with done.
struct Denial {
  PageNo page{};
  std::uint64_t memory_pages = 0;  // the home's bound
};

// Read copies ahead of any access, of pages first + i for each bit i that is set.
inline constexpr std::uint64_t prefetch_window = 64;
struct PrefetchRequest {  // requester -> home
  PageNo first{};
  std::uint64_t wanted = 0;
};
struct PrefetchAnswer {  // home -> requester: the bytes of these follow, of no others
  PageNo first{};
  std::uint64_t granted = 0;
};
// home -> requester, on the bulk connection; the page's 4096 bytes travel beside it.
struct PrefetchData {
  PageNo page{};
  Version version{};
};

// ---- after a member was removed (recovery.hpp) ---------------------------------------------

enum class Copy : std::uint8_t { none, shared, exclusive };
struct PageReport {
  PageNo page{};
  Copy copy = Copy::none;
  Version version{};       // of the bytes that the sender has, or had last
  Transaction kept_for;    // of the bytes of the page in a slot; counter 0: there are none
  Version kept_version{};  // as which they were sent
};
struct LockReport {
  std::uint64_t address = 0;
  ThreadId thread{};
  SyncKind kind = SyncKind::normal;
  std::uint32_t depth = 0;  // how often the thread has it; 0: it asks for it
  bool lent = false;        // no thread: the sender has been lent the mutex
};
// borrower -> home: the mutex comes back, and that thread has it. depth 0: nobody has.
struct TokenReturn {
  LockReport lock;
};
inline constexpr std::size_t max_reported = 256;
// member -> each member, as the home of pages and objects: what the sender has of them. At most
// max_reported of each; in several messages if need be.
struct Report {
  std::vector<PageReport> pages;
  std::vector<LockReport> locks;
  std::vector<ChunkNo> chunks;  // that clients of the sender have
  bool last = false;
};
// home -> each member: its directory is there again, requests may come. Bytes that the receiver
// keeps of these pages are their only copy and become a read copy; after the last such message it
// frees all others that it keeps of the home's pages.
struct Rebuilt {
  std::vector<PageNo> taken_back;  // at most max_reported
  bool last = false;
};
// home -> requester, instead of a grant: the page went with a removed node.
struct Lost {
  PageNo page{};
  NodeId with = no_node;
  Epoch since{};  // the first epoch without it
};

using Body = std::variant<PageRequest, Recall, Invalidate, InvalidateAck, Hasten, PageData, Grant,
                          Done, Release, ChunkRequest, ChunkGrant, ChunkQuery, ChunkHome,
                          SyncRequest, SyncReply, ThreadStart, ThreadStarted, ThreadExited,
                          ThreadJoin, ThreadJoined, BlocksFreed, ThreadControl, ThreadControlled,
                          ThreadCancel, ThreadCountRequest, ThreadCount, RootRequest, RootReply,
                          ChunkReturn, ChunkReturned, Discard, Discarded, LoanRequest, Loan,
                          Writeback, WritebackAck, Denial, PrefetchRequest, PrefetchAnswer,
                          PrefetchData, Report, Rebuilt, Lost, SlotWanted, TokenRecall,
                          TokenReturn, Unheld, ThreadCancelled, GatherFreed, FreedGathered>;

template <class What, class... Others>
inline constexpr bool is_one_of = (std::is_same_v<What, Others> || ...);

struct Message {
  Epoch epoch{};
  std::uint64_t lease_ms = 0;  // 0: no lease (until consensus exists)
  Transaction transaction;
  Body body;
};

// Is it about the directories and where they are? Those are made anew with every epoch, and what
// was said about them before counts no more. All else that members say to each other stays said.
inline bool ends_with_its_epoch(const Body& body) {
  return std::visit(
      []<class What>(const What&) {
        return is_one_of<What, PageRequest, Recall, Invalidate, InvalidateAck, Hasten, PageData,
                         Grant, Done, Release, Writeback, WritebackAck, Denial, PrefetchRequest,
                         PrefetchAnswer, PrefetchData, Discard, Discarded, ChunkQuery, ChunkHome,
                         Report, Rebuilt, Lost, SlotWanted>;
      },
      body);
}

// Of two connections between two nodes: nothing that somebody waits for is behind these.
inline bool is_bulk(const Message& message) {
  return std::holds_alternative<PrefetchData>(message.body);
}

}  // namespace gallocy::core
