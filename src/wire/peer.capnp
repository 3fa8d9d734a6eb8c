# What the daemons of two nodes say to each other about one job: the specification.
#
# Carrier. One frame of a job connection (net/frame.hpp) carries one PeerMessage as its message
# and at most one run of page bytes as its payload. The message is exactly one Cap'n Proto
# segment: no segment table, no packing, no second segment, no far pointer; its length is the
# frame's. Page bytes travel beside the message and never inside it, so that nothing walks over
# them on their way into a frame of memory.
#
# Order. A job connection is ordered and outlives the streams that carry it: frames are numbered,
# acknowledged, sent again over the next stream, dropped when they come twice. Two nodes have two
# of them a job: control, and bulk for prefetchData alone, so that nothing somebody waits for is
# behind those bytes. Nothing is assumed about order between connections: what node 1 and node 2
# send to node 0 arrives in any order, also where one was caused by the other. In particular
# acknowledgements of an invalidation may reach the requester before the bytes that they belong
# to.
#
# Roles. The *home* of a page is fixed by its chunk and keeps the page's directory entry. The
# *requester* is a node with a blocked access. The *holder* has the bytes: the owner of an
# exclusive page, or a sharer of a shared one. The *coordinator* is the lowest node of the job and
# hands out chunks. Any two of these may be one node; it then says nothing to itself by wire.
#
# Stale messages. A receiver drops, without an answer, what is said about the pages, the chunks'
# homes and the directories in an epoch older than its own: the membership change that made the new
# epoch has settled that transaction. All else that members say in an older epoch stays said. What
# comes in a newer epoch is kept until the receiver has reached it. What a node says that is no
# member of the receiver's epoch is dropped. A message about a transaction that is not (or
# no longer) the current one is dropped as well. "Current" is: at the home, what the page's entry
# names; at the requester, what its record of the request names; at a holder or sharer nothing is
# recorded and the page's state decides (each message below says how). Stale is not malformed:
# nobody is blamed for it.
#
# Malformed messages. A peer that sends what a correct peer never could (a number out of range, an
# unknown member of a union, bytes beside a message that has none, a state that the protocol
# excludes) is disconnected with one line in the log. Ranges, checked before anything else sees
# the message: node ids are 0 .. 63, counters are below 2^48, page numbers are below 2^41 (their
# chunk then fits 32 bits), acksExpected is below 64, delays are below 2^48 us, times below 2^56
# us, thread ids name a node and are not 0, statuses are 0 .. 4095. Addresses and page numbers are
# compared with the job's region by the protocol core.
#
# There is no compatibility across protocol versions: the hello (link.capnp) refuses.

@0xdbb9ad1f14fd5e68;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("gallocy::wire::peer");

const noNode :UInt8 = 255;

struct Transaction {
  # Names one request and everything that follows from it. Made by the requester; never used
  # twice in the life of a daemon. A message outside any transaction has {noNode, 0}.
  requester @0 :UInt8 = 255;
  counter @1 :UInt64;  # 48 bits, from 1
}

enum Access {
  read @0;   # many nodes may have it at once
  write @1;  # one node has it, and then no other may read
}

struct PeerMessage {
  # The envelope, in every message.
  epoch @0 :UInt64;              # cluster epoch of the sender; 1 until there is consensus
  job @1 :UInt64;                # must be the job that the connection's hello named
  transaction @2 :Transaction;
  leaseMs @3 :UInt64;            # sender's lease; 0: none (until there is consensus)

  union {
    none @4 :Void;               # never sent: a message of zeros must not mean anything

    # Pages.
    pageRequest @5 :PageRequest;
    recall @6 :Recall;
    invalidate @7 :Invalidate;
    invalidateAck @8 :PageOnly;
    # sharer -> requester: the sharer's copy is unmapped (and its TLBs flushed). Sent also by a
    # sharer that had no copy any more. The requester counts it against acksExpected, which it
    # may not know yet. Stale transaction: dropped.
    pageData @9 :PageData;
    grant @10 :Grant;
    done @11 :PageOnly;
    # requester -> home: the page is installed; the home ends the transaction and serves the next
    # request in the entry's queue. Stale transaction: dropped.
    release @12 :PageOnly;
    # home -> the holder that gave the page away: `done` has come, the bytes kept for this
    # transaction may go. Unknown transaction: dropped.
    hasten @25 :Hasten;
    slotWanted @48 :SlotWanted;

    # Chunks.
    chunkRequest @13 :ChunkRequest;
    chunkGrant @14 :ChunkGrant;
    chunkQuery @15 :ChunkQuery;
    chunkHome @16 :ChunkHome;

    # Synchronisation.
    syncRequest @17 :SyncRequest;
    syncReply @18 :SyncReply;

    # Threads.
    threadStart @19 :ThreadStart;
    threadStarted @20 :ThreadStarted;
    threadExited @21 :ThreadExited;
    threadJoin @22 :ThreadJoin;
    threadJoined @23 :ThreadJoined;
    threadControl @26 :ThreadControl;
    threadControlled @27 :ThreadControlled;
    threadCancel @28 :ThreadCancel;
    threadCountRequest @29 :Void;
    # node whose client runs main() -> every node: main() has ended by pthread_exit; does any
    # thread still run? Answered by threadCount at once.
    threadCount @30 :ThreadCount;
    threadCancelled @52 :ThreadCancelled;

    # Heap.
    blocksFreed @24 :BlocksFreed;
    gatherFreed @53 :Void;
    # node -> every node: a client here lacks memory. Send what is in batches; clients there shall
    # take what was freed of theirs, and give what they only keep. Answered by freedGathered.
    freedGathered @54 :Bool;
    # back, when that is done or has taken too long. True: there may be more to gather.

    # The root.
    rootRequest @31 :RootRequest;
    rootReply @32 :RootReply;

    # Chunks that are given back.
    chunkReturn @33 :ChunkReturn;
    chunkReturned @34 :Void;
    # home -> node that sent chunkReturn: all pages of those chunks are zero, and they are in the
    # home's pool.
    discard @35 :ChunkOnly;
    # home -> who has copies of pages of the chunk: drop all of them, whatever their state is and
    # without a hold. The home has no transaction of any of its pages under way and begins none
    # until everybody has answered. Answered by discarded.
    discarded @36 :ChunkOnly;
    # back: no copy of any page of the chunk is left here, in no client either.

    # Chunks for a client of another node than their home.
    loanRequest @37 :LoanRequest;
    loan @38 :Loan;
    # home -> node: chunks as they were asked for, which are the client's until chunkReturn. Count
    # 0: there are none, or no memory for them.

    # Memory.
    writeback @39 :Writeback;
    writebackAck @40 :WritebackAck;
    denial @41 :Denial;

    # Pages ahead of any access.
    prefetchRequest @42 :PrefetchRequest;
    prefetchAnswer @43 :PrefetchAnswer;
    prefetchData @44 :PrefetchData;

    # After a member was removed.
    report @45 :Report;
    rebuilt @46 :Rebuilt;
    lost @47 :Lost;

    # Mutexes that are lent.
    tokenRecall @49 :TokenRecall;
    tokenReturn @50 :TokenReturn;
    unheld @51 :Unheld;
  }
}

struct PageReport {
  enum Copy {
    none @0;
    shared @1;
    exclusive @2;
  }
  page @0 :UInt64;
  copy @1 :Copy;
  version @2 :UInt32;      # of the bytes that the sender has, or had last
  keptFor @3 :UInt8 = 255;
  keptCounter @4 :UInt64;
  # The transaction for which the sender keeps bytes of the page that it gave away; {noNode, 0}: it
  # keeps none.
  keptVersion @5 :UInt32;  # as which they were sent
}

struct LockReport {
  address @0 :UInt64;
  thread @1 :UInt64;
  kind @2 :SyncRequest.Kind;
  depth @3 :UInt32;  # how often the thread has it; 0: it asks for it
  lent @4 :Bool;     # no thread (0), and depth 0: the sender has been lent the mutex
}

struct Report {
  # member -> each member, when it has heard of a new epoch: what it has of the pages, objects and
  # chunks that are homed at the receiver, in one or several messages. Until it has every member's
  # last report the receiver's directory is not to be asked.
  pages @0 :List(PageReport);   # at most 256 of each
  locks @1 :List(LockReport);   # mutexes and read-write locks of the sender's threads
  chunks @2 :List(UInt32);      # that clients of the sender have
  last @3 :Bool;
}

struct Rebuilt {
  # home -> each member: the directory is made, requests may come. Of these pages the receiver keeps
  # the only bytes, which become its read copy. With the last such message it frees all that it
  # keeps of the home's pages besides.
  takenBack @0 :List(UInt64);   # at most 256
  last @1 :Bool;
}

struct Lost {
  # home -> requester, instead of a grant; the request is over and has no done. The page's bytes
  # went with a removed node. Stale transaction: dropped.
  page @0 :UInt64;
  with @1 :UInt8;     # that node
  since @2 :UInt64;   # the first epoch without it
}

struct PageOnly {
  page @0 :UInt64;
}

struct PageRequest {
  # requester -> home: a thread here is blocked on this page. At most one per page and node is
  # under way. The home serves it or, while the entry is busy, queues it, oldest first.
  enum Kind {
    read @0;
    write @1;
    upgrade @2;
    # The requester believes that it holds a shared copy. The home decides by its copyset, since
    # that copy may have been invalidated while this was on the way; it then answers as to write.
  }
  kind @0 :Kind;
  page @1 :UInt64;
  sinceUs @2 :UInt64;
  # When the blocked access began, in the time of the job: the clock of its machine, put forward to
  # the latest sinceUs that machine had heard of in any message of the job. The clocks themselves
  # need not agree. Of two accesses the one with the lower (sinceUs, node id) goes first, which all
  # nodes judge alike.
}

struct Recall {
  # home -> holder: send the bytes to the requester, keep a read copy (access read) or none
  # (access write). The holder may delay it while its own hold on the page lasts. A holder without
  # the page drops it: the transaction was settled.
  access @0 :Access;
  page @1 :UInt64;
  requester @2 :UInt8;
  version @3 :UInt32;       # that the requester will hold
  acksExpected @4 :UInt32;  # copied into pageData
  sinceUs @5 :UInt64;       # of the access that the requester makes the request for
  delayedUs @6 :UInt64;     # how long the request was queued at the home
}

struct Invalidate {
  # home -> sharer: unmap the copy, then acknowledge to the requester. A sharer without the page
  # acknowledges at once; one that waits for the page's prefetched bytes acknowledges and drops
  # them when they come.
  page @0 :UInt64;
  requester @1 :UInt8;
  sinceUs @2 :UInt64;
}

struct SlotWanted {
  # holder -> home, with a transaction whose bytes it keeps in a slot: it has no other slot for an
  # older access. The home tells who has not acknowledged yet (hasten). Stale transaction: dropped.
  page @0 :UInt64;
  requester @1 :UInt8;           # whose access it is
  sinceUs @2 :UInt64;
}

struct Hasten {
  # An older access than was known waits for the page.
  # requester -> home, with the transaction of its request: another thread, blocked for longer, has
  # joined that request. The home takes the earlier time for the request and passes it on.
  # home -> holder and sharers, with the transaction of the recall or invalidation that they were
  # sent: a request of that time is queued behind it. Who delays the recall for an access of its own
  # now compares it with this one. Stale transaction, or served already: dropped.
  page @0 :UInt64;
  requester @1 :UInt8;           # whose access it is
  sinceUs @2 :UInt64;
}

struct PageData {
  # holder -> requester. Beside it: the page, 4096 bytes. A holder that ends without a copy keeps
  # the bytes until `release`: no page's only copy is ever in a socket. The requester may use the
  # page for reading at once, for writing when acksExpected acknowledgements have come.
  # Stale transaction: message and bytes are dropped before they reach any page.
  page @0 :UInt64;
  version @1 :UInt32;
  access @2 :Access;
  acksExpected @3 :UInt32;
  delayedUs @4 :UInt64;     # of the recall, and how long the holder kept the page after it: what is
                            # left of the requester's wait is the road's share
}

struct Grant {
  # home -> requester: permission without bytes. Stale transaction: dropped.
  page @0 :UInt64;
  version @1 :UInt32;
  access @2 :Access;
  acksExpected @3 :UInt32;
  zero @4 :Bool;
  # The page was never granted for writing and is all zeros. Otherwise the requester's own shared
  # copy becomes writable.
}

struct Writeback {
  # holder -> home: the holder is short of memory and wants to be rid of its copy. It keeps it,
  # protected, until the answer, and serves a recall or an invalidation of it meanwhile as ever; it
  # asks for nothing about the page until then. A home always has room: each page that is not zero
  # has a frame reserved there. The transaction is the holder's own and joins the two messages.
  page @0 :UInt64;
  version @1 :UInt32;       # of the copy
  bytes @2 :Bool;
  # The page, 4096 bytes, is beside the message. An owner sends it always, a sharer only when it has
  # been told that its copy is the last.
}

struct WritebackAck {
  # home -> holder. An answer to an eviction that is over (the copy had to be given to somebody
  # before) is dropped by its transaction.
  enum Outcome {
    accepted @0;
    # The holder drops the page and answers with done; until then the home begins nothing about the
    # page, since who may read must not miss a write. If bytes came and nobody else has a copy, they
    # are the home's now. The home accepts only if no transaction about the page is under way that
    # counts on the copy, so none can cross this answer.
    busy @1;
    # A transaction is under way, or the sender has no copy any more as the home sees it. The
    # holder goes on as if it had not asked.
    bytesNeeded @2;
    # It is the last copy of a page that is not zero, and no bytes came: ask again, with them.
  }
  page @0 :UInt64;
  outcome @1 :Outcome;
}

struct Denial {
  # home -> requester, instead of a grant: the page is zero, is to be written for the first time,
  # and the home has no frame left that it could reserve for it. The requester drops its copy, if it
  # has one, ends the accesses with SIGBUS and answers with done; it then has no copy. The page
  # stays zero. Stale transaction: dropped.
  page @0 :UInt64;
  memoryPages @1 :UInt64;   # the home's bound, for the sentence
}

struct PrefetchRequest {
  # requester -> home: read copies, please, of the pages first + i for which bit i of the mask is
  # set; none of them is here or was asked for. At most 1,024 pages are asked for and not settled at
  # a time. The home grants what is idle and which it has a copy of itself, downgrading its own
  # exclusive copy if its hold is over; it leaves out what is busy, zero, with others only, or
  # not its own. Of what it grants the requester is a sharer at once; nothing becomes busy and there
  # is no done.
  first @0 :UInt64;
  mask @1 :UInt64;
}

struct PrefetchAnswer {
  # home -> requester, on the control connection: what was granted. The bytes of these and no other
  # pages come on the bulk connection, perhaps before this. An invalidation of a granted page comes
  # after this, and perhaps before the bytes: the requester acknowledges it, and drops the bytes.
  first @0 :UInt64;
  mask @1 :UInt64;
}

struct PrefetchData {
  # home -> requester, on the bulk connection, which carries nothing else. Beside it: the page.
  page @0 :UInt64;
  version @1 :UInt32;
}

struct ChunkRequest {
  # node -> coordinator: fresh chunks in one run, to be homed at the sender.
  count @0 :UInt32;
}

struct ChunkGrant {
  # coordinator -> node. Count 0: the region is exhausted. May be fewer than asked for.
  first @0 :UInt32;
  count @1 :UInt32;  # first + count is at most 2^32
}

struct ChunkQuery {
  # node -> coordinator, on the node's first use of an unknown chunk.
  chunk @0 :UInt32;
}

struct ChunkHome {
  # coordinator -> node; kept for the epoch.
  chunk @0 :UInt32;
  home @1 :UInt8 = 255;  # noNode: nobody was ever given that chunk
}

struct LoanRequest {
  # node -> home: a client of the sender wants chunks in a row that are homed there. -> loan
  count @0 :UInt32;                  # not 0
  wanted @1 :UInt32 = 0xffffffff;    # the only first chunk that will do; 2^32 - 1: any
  overcommit @2 :Bool;               # even if the receiver could not hold all that it has lent
  idlePages @3 :UInt64;              # the last of them, which count when they are touched
  claim @4 :Bool;  # wanted (count: 1) was lent to the sender before: from now on all of it counts
}

struct Loan {
  # home -> node.
  first @0 :UInt32;
  count @1 :UInt32;      # 0: there are none
  # Of this home, in pages: what it could hold, what it has promised, and what is touched.
  couldHold @2 :UInt64;
  promised @3 :UInt64;
  touched @4 :UInt64;
}

struct ChunkReturn {
  # node -> home: a client of the sender gives back chunks that this home handed out to it. Nobody
  # uses them any more; a request for one of their pages that comes nevertheless is served before or
  # after, with a page of zeros then. Answered by chunkReturned.
  first @0 :UInt32;
  count @1 :UInt32;  # not 0; first + count is at most 2^32
}

struct ChunkOnly {
  chunk @0 :UInt32;
}

struct SyncRequest {
  # node -> home of the object's page. What threads wait at (mutexes, read-write locks, conditions,
  # barriers, semaphores, futexes) is state of the home; the object in memory is never looked at.
  # Every request but `withdraw` is answered by syncReply under its transaction when the operation
  # is over: for `take` that is when it has been granted, refused or withdrawn. A take that waits
  # does so in the object's queue, first come, first served. An object of another kind at the same
  # address is forgotten: its memory has been used anew.
  enum Operation {
    take @0;        # lock, wait. At a condition it is answered EINPROGRESS when the thread is in
                    # the queue, and once more when it leaves the queue
    tryTake @1;     # EBUSY instead of waiting
    give @2;        # unlock, post, signal, wake
    giveAll @3;     # broadcast
    init @4;        # a new object: who waits for what was at the address is answered EINVAL
    destroy @5;     # EBUSY while somebody has it or waits
    consistent @6;  # the owner of a robust mutex has mended what a dead owner left
    value @7;       # of a semaphore; of a futex, its sequence
    withdraw @8;
    # The take of the same transaction shall not wait any longer. If it still waits it is answered
    # with the errno in `argument`; if not, its answer is on its way. It has no answer of its own.
    abandon @9;
    # The thread has ended, or its process has (argument 1). A robust mutex goes to the next with
    # EOWNERDEAD; other locks go to the next only if the process has ended.
  }
  enum Kind {
    normal @0;  # mutexes
    recursive @1;
    errorCheck @2;
    unchecked @3;  # any thread may give it
    robustNormal @4;
    robustRecursive @5;
    robustErrorCheck @6;
    reader @7;  # read-write locks
    writer @8;
    condition @9;
    barrier @10;
    semaphore @11;
    futex @12;  # a word: only take, give, value and withdraw
  }
  address @0 :UInt64;
  thread @1 :UInt64;
  operation @2 :Operation;
  kind @3 :Kind;
  argument @4 :UInt64;
  # take of a barrier: how many threads meet there; init of a semaphore: its value; give of a futex:
  # how many threads are woken at most; other operations of a semaphore: 1 if its bytes are zeros,
  # so that it begins with 0; take of a futex: the sequence that was asked for before the word was
  # read. A take by another sequence than the present one is answered at once. take, tryTake and
  # give of a read-write lock: 1 if its readers are only counted, so that any thread may give it.
  bits @5 :UInt32;
  # take and give of a futex: only those are woken that wait with one of the wake's bits.
  mayBeLent @6 :Bool;
  # take and tryTake of a mutex that is not robust: the grant may lend it to the sender.
}

struct SyncReply {
  # home -> node. Only to requests that are under way.
  status @0 :Int32;  # 0 or an errno
  value @1 :UInt64;
  # of a semaphore; 1: the thread that completed the barrier; of a futex, its sequence, or how many
  # threads were woken
  lent @2 :Bool;
  # status 0, of a request that may be lent: from now on the receiver has the mutex's state, in
  # which that thread has it, and says nothing of who takes it and gives it back there. The home
  # answers requests of it, the receiver's too, when it has come back.
}

struct Unheld {
  # home -> node where the thread runs that had the mutex: it has it no more, although it has not
  # given it back. Another thread has unlocked it (kind unchecked), or its memory is over. Of a
  # read-write lock that another thread has unlocked: home -> every node; a reader reads once less.
  # Of what the thread does not have: dropped.
  address @0 :UInt64;
  thread @1 :UInt64;
}

struct TokenRecall {
  # home -> borrower: the mutex is wanted back, since somebody has asked for it or its memory is
  # given back. Answered by tokenReturn at once, whether a thread has it or not. Of a mutex that the
  # receiver does not have: dropped, its return is on its way.
  address @0 :UInt64;
}

struct TokenReturn {
  # borrower -> home, also unasked: the mutex is not lent any more. What its threads ask of it after
  # that comes after it.
  lock @0 :LockReport;  # which thread has it, and how often; depth 0 (thread 0): nobody
}

struct ThreadStart {
  # The thread's record lives at the node that made the thread, which is in its id; it runs
  # elsewhere. record's node -> node that shall run it. Answered by threadStarted.
  thread @0 :UInt64;
  function @1 :UInt64;
  argument @2 :UInt64;
  ofRuntime @3 :Bool;
  # It makes calls for threads of the program, and is none of them: --stat does not count it.
}

struct ThreadStarted {
  # back to the record's node. A thread that the record does not wait for is dropped.
  thread @0 :UInt64;
  status @1 :Int32;
}

struct ThreadExited {
  # running node -> record's node, once a thread.
  thread @0 :UInt64;
  result @1 :UInt64;
}

struct ThreadJoin {
  # joiner's node -> record's node. Answered by threadJoined, when the thread has ended.
  thread @0 :UInt64;
  joiner @1 :UInt64;
}

struct ThreadJoined {
  # record's node -> joiner's node. Stale transaction: dropped.
  status @0 :Int32;
  result @1 :UInt64;
}

struct ThreadControl {
  # node -> record's node.
  enum Operation {
    detach @0;    # answered by threadControlled: 0, ESRCH, or EINVAL (joined or detached already)
    cancel @1;    # answered by threadControlled: 0 when it is cancelled or has ended, or ESRCH
    withdraw @2;
    # The join of the same transaction shall not wait any longer. If it still waits it is answered
    # by threadJoined with ECANCELED; if not, its answer is on its way, and there is no other.
  }
  thread @0 :UInt64;
  operation @1 :Operation;
}

struct ThreadControlled {
  # record's node -> node. Stale transaction: dropped.
  status @0 :Int32;
}

struct ThreadCancel {
  # record's node -> running node, once, at any time after threadStart. Answered by threadCancelled;
  # a thread that has ended: dropped.
  thread @0 :UInt64;
}

struct ThreadCancelled {
  # running node -> record's node: the C library has been told to cancel the thread, and its waits
  # that cancellation ends have been answered by their homes; it begins no other. Precedes its
  # threadExited, which may come instead of it.
  thread @0 :UInt64;
}

struct ThreadCount {
  # Of the threads whose records are at the sender: how many there ever were, how many run. Stale
  # transaction: dropped.
  made @0 :UInt64;
  live @1 :UInt64;
}

struct RootRequest {
  # node -> coordinator: the job's root shall be this address, unless it has one. 0: ask only.
  address @0 :UInt64;
}

struct RootReply {
  # coordinator -> node: the root, 0 if there is none.
  address @0 :UInt64;
}

struct BlocksFreed {
  # node -> node of the blocks' owners: these blocks of clients there were freed here. Clients say
  # whose a block is: an address in a chunk that no client there has is passed over. No answer.
  addresses @0 :List(UInt64);  # 1 to 64
}
