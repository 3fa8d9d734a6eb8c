// gallocy_malloc and what belongs to it: the process's heaps under their lock.
#include "client/memory.hpp"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include "client/process.hpp"
#include "client/sync.hpp"
#include "client/windows.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

// ---- chunks ------------------------------------------------------------------------------

// Why there was no chunk, in the daemon's words if it was asked. REQUIRES: the heap lock.
constinit int g_chunk_status = ENOMEM;

// Of its pages, only those count against the bound that are touched.
bool counts_by_touch(std::uint32_t heap_number) {
  return heap_number == sparse_heap || heap_number == runtime_heap;
}

bool is_of_any_node(std::uint32_t heap_number) {
  return heap_number == own_heap || counts_by_touch(heap_number);
}

std::uint32_t number_of(void* context) {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uint64_t>(context));
}

// Answered when nobody has a copy any more, which may take a while: not under the heap lock, if
// that can be helped.
void return_chunks(const SpentChunks& spent) {
  for (std::size_t i = 0; i < spent.count; ++i)
    process.ring.call(ipc::Operation::return_chunks, spent.runs[i].address,
                      spent.runs[i].chunk_count);
}

std::uint64_t ask_chunks(std::uint32_t heap_number, std::uint64_t chunk_count,
                         std::uint64_t wanted, std::uint64_t idle_pages) {
  const std::uint64_t node =
      is_of_any_node(heap_number) ? ipc::any_node : heap_number - heap_for(0);
  const ipc::Reply reply =
      process.ring.call(ipc::Operation::chunks, chunk_count, node, wanted, idle_pages);
  const std::uint64_t address = reply.values[0];
  const bool usable = address % chunk_bytes == 0 &&
                      in_region(reinterpret_cast<void*>(address), chunk_count * chunk_bytes);
  if (reply.status == 0 && usable) return address;
  g_chunk_status = reply.status;
  return 0;
}

// Chunks that are spent but not yet returned may be what is missing.
std::uint64_t take_chunks(void* context, std::uint64_t chunk_count, std::uint64_t wanted,
                          std::uint64_t idle_pages) {
  if (chunk_count > process.region_size_bytes / chunk_bytes) return 0;
  const std::uint32_t number = number_of(context);
  if (counts_by_touch(number)) idle_pages = chunk_count * pages_per_chunk;
  const std::uint64_t address = ask_chunks(number, chunk_count, wanted, idle_pages);
  if (address != 0 || wanted != 0 || process.spent_chunks.count == 0) return address;
  return_chunks(std::exchange(process.spent_chunks, {}));
  return ask_chunks(number, chunk_count, wanted, idle_pages);
}

bool claim_chunk(void* context, std::uint64_t address) {
  return counts_by_touch(number_of(context)) ||
         process.ring.call(ipc::Operation::claim_chunk, address).status == 0;
}

void give_chunks(void*, std::uint64_t address, std::uint64_t chunk_count) {
  SpentChunks& spent = process.spent_chunks;
  if (spent.count == SpentChunks::max) return_chunks(std::exchange(spent, {}));
  spent.runs[spent.count++] = {address, chunk_count};
}

// Holds the heaps' lock; what they have given up meanwhile is returned after that.
class HeapLocked {
 public:
  HeapLocked() { process.heap_lock.lock(); }
  ~HeapLocked() {
    if (process.spent_chunks.count == 0) {
      process.heap_lock.unlock();
      return;
    }
    const SpentChunks spent = std::exchange(process.spent_chunks, {});
    process.heap_lock.unlock();
    return_chunks(spent);
  }
  HeapLocked(const HeapLocked&) = delete;
  HeapLocked& operator=(const HeapLocked&) = delete;

 private:
  ipc::NoCancellation guard_;  // until all of that is done
};

// ---- blocks ------------------------------------------------------------------------------

[[noreturn]] void end_for(const void* pointer, const char* what) {
  say(Sentence("gallocy: rank ", process.rank, " ends: ", what, " at ",
               Hex{heap::address_of(pointer)}, "\n"));
  ::abort();
}

heap::Owner this_rank() { return {process.rank, process.node}; }

// Reads what the owner has written beside the block, before any lock is taken: the page may have
// to come from another node. Ends the process if there is no block.
struct Described {
  heap::Owner owner;
  std::size_t size_bytes;
};
Described describe(const void* block, const char* call) {
  const heap::ChunkHeader* chunk = heap::chunk_of_block(block);
  if (!in_region(block, 1) || !in_region(chunk, chunk_bytes))
    end_for(block, Sentence(call, " of a pointer outside gallocy memory,").c_str());
  Described described{};
  if (was_handed_out(heap::address_of(chunk)) && heap::owner_of(block, described.owner))
    described.size_bytes = heap::block_bytes(block);
  if (described.size_bytes == 0)
    end_for(block, Sentence(call, " of what is no block of gallocy_malloc,").c_str());
  return described;
}

// REQUIRES: the heap lock.
void free_own(void* block) {
  const std::uint32_t number = heap::heap_number(block);
  if (number >= heap_count) end_for(block, "the heap's own data has been overwritten");
  switch (process.heaps[number].free_local(block)) {
    case heap::FreeOutcome::freed: return;
    case heap::FreeOutcome::freed_already: end_for(block, "gallocy_free of a block freed before,");
    case heap::FreeOutcome::foreign:
    case heap::FreeOutcome::not_a_block: break;
  }
  end_for(block, "gallocy_free of what is no block of gallocy_malloc,");
}

// Takes back some of what other ranks freed of this rank's: how many. REQUIRES: the heap lock.
constexpr std::uint64_t taken_at_once = ipc::value_count - 1;
std::uint64_t take_some(bool has_given_spare = false) {
  const ipc::Reply reply = process.ring.call(ipc::Operation::take_freed, has_given_spare);
  if (reply.status != 0 || reply.values[0] > taken_at_once) return 0;
  for (std::uint64_t i = 0; i < reply.values[0]; ++i) {
    auto* block = reinterpret_cast<void*>(reply.values[1 + i]);
    const heap::ChunkHeader* chunk = heap::chunk_of_block(block);
    heap::Owner owner;
    if (!in_region(block, 1) || !in_region(chunk, chunk_bytes) ||
        !was_handed_out(heap::address_of(chunk)) || !heap::owner_of(block, owner) ||
        owner != this_rank())
      end_for(block, "another rank freed what is no block,");
    free_own(block);
  }
  return reply.values[0];
}

// All of it, or nearly. REQUIRES: the heap lock.
void take_freed() {
  while (process.ring.freed_pending() && take_some() == taken_at_once) continue;
}

// What counts by touch keeps only what the runtime needs when the program has used up its memory.
// REQUIRES: the heap lock.
void give_spare() {
  for (std::uint32_t number = 0; number < heap_count; ++number)
    if (process.heaps[number].has_source() && !counts_by_touch(number))
      process.heaps[number].give_spare();
}

heap::Heap& heap_of_number(std::uint32_t number) {
  heap::Heap& heap = process.heaps[number];
  if (!heap.has_source())
    new (&heap) heap::Heap(this_rank(), daemon_chunks(number), number);
  return heap;
}

struct Wanted {
  std::size_t count = 1;
  std::size_t size_bytes = 0;
  std::size_t alignment_bytes = heap::block_alignment_bytes;
  bool clear = false;
  std::uint32_t heap_number = own_heap;
};

Error no_room(const Wanted& wanted, int status) {
  if (status == EINVAL)
    return {EINVAL, Sentence("the job has no node ", wanted.heap_number - heap_for(0))};
  const char* where = is_of_any_node(wanted.heap_number) ? "every node" : "that node";
  return {ENOMEM, Sentence("no room for ", wanted.count, " x ", wanted.size_bytes, " bytes: ",
                           where, " has used up its memory (gallocy-run --memory), or the job its "
                           "region of ", process.region_size_bytes >> 20, " MiB")};
}

// True: it may be worth to do it again.
bool gather_freed() {
  const ipc::NoCancellation guard;
  return process.ring.call(ipc::Operation::gather_freed).values[0] != 0;
}

constexpr int gatherings_max = 8;

struct Attempt {
  heap::Heap::Block block;
  int status = 0;  // ENOMEM or EINVAL if there is no block
};
Attempt attempt(const Wanted& wanted, std::size_t all_bytes) {
  const HeapLocked locked;
  take_freed();
  g_chunk_status = ENOMEM;
  heap::Heap& heap = heap_of_number(wanted.heap_number);
  return {heap.allocate_block(all_bytes, wanted.alignment_bytes), g_chunk_status};
}

// Whether it is only a matter of what others have. Not in the agent, which would wait for itself:
// it fetches the orders to give.
bool may_come(const Wanted& wanted, std::size_t all_bytes) {
  const std::uint64_t most_bytes = counts_by_touch(wanted.heap_number)
                                       ? process.region_size_bytes
                                       : process.memory_chunk_count * chunk_bytes;
  return all_bytes <= most_bytes && ::pthread_equal(::pthread_self(), process.agent) == 0;
}

// Tries again when all ranks have given what nobody uses: not under the lock, which they may need
// for that. A program whose threads free all the time might have to hear "perhaps" for ever.
Attempt attempt_all(const Wanted& wanted, std::size_t all_bytes) {
  Attempt made = attempt(wanted, all_bytes);
  bool again = made.block.address == nullptr && may_come(wanted, all_bytes);
  for (int left = gatherings_max; again && left > 0; --left) {
    if (made.block.address != nullptr || made.status != ENOMEM) break;
    again = gather_freed();
    made = attempt(wanted, all_bytes);
  }
  return made;
}

// Clears the block after the lock has been given up: others need not wait for that.
Result<void*> allocate(const Wanted& wanted) {
  if (auto status = require_member(); !status) return tl::unexpected<Error>(status.error());
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(wanted.count, wanted.size_bytes, &all_bytes))
    return fail(ENOMEM, wanted.count, " x ", wanted.size_bytes,
                " bytes are more than there can be");
  const auto [block, status] = attempt_all(wanted, all_bytes);
  if (block.address == nullptr) return tl::unexpected<Error>(no_room(wanted, status));
  if (wanted.clear && !block.zeroed) ::memset(block.address, 0, block.size_bytes);
  return block.address;
}

void* allocate_or_refuse(const Wanted& wanted) {
  const int saved_errno = errno;
  const auto block = allocate(wanted);
  errno = block ? saved_errno : report(block.error());
  return block ? *block : nullptr;
}

Status check_alignment(std::size_t alignment_bytes) {
  if (std::has_single_bit(alignment_bytes) && alignment_bytes <= GALLOCY_ALIGNMENT_MAX) return {};
  return fail(EINVAL, "an alignment is a power of two up to ", GALLOCY_ALIGNMENT_MAX, ", not ",
              alignment_bytes);
}

void* aligned_or_refuse(std::size_t alignment_bytes, std::size_t size_bytes) {
  if (auto status = check_alignment(alignment_bytes); !status) {
    errno = report(status);
    return nullptr;
  }
  return allocate_or_refuse({1, size_bytes, alignment_bytes, false, own_heap});
}

void free_block(void* block, heap::Owner owner, std::size_t size_bytes) {
  if (may_have_locked_within(block, size_bytes)) [[unlikely]] forget_mutexes(block, size_bytes);
  if (owner == this_rank()) {
    const HeapLocked locked;
    free_own(block);
    take_freed();
    return;
  }
  // What the descriptors say is another rank's word: a node that there is not is passed over.
  process.ring.free_elsewhere({heap::address_of(block), owner.node & 0xff,
                               static_cast<unsigned>(std::bit_width(size_bytes))});
}

bool resize_in_place(void* block, const Described& known, std::size_t size_bytes) {
  if (known.owner != this_rank()) return heap::worth_keeping(known.size_bytes, size_bytes);
  const HeapLocked locked;
  const std::uint32_t number = heap::heap_number(block);
  if (number >= heap_count) end_for(block, "the heap's own data has been overwritten");
  return process.heaps[number].resize(block, size_bytes);
}

// Window by window: what lies side by side there need not do so in the region.
bool prefetch(std::uint64_t address, std::size_t size_bytes) {
  while (size_bytes > 0) {
    const OwnRun run = own_run_of(address, size_bytes);
    if (!in_region(reinterpret_cast<void*>(run.address), run.size_bytes) ||
        process.ring.call(ipc::Operation::prefetch, run.address, run.size_bytes).status != 0)
      return false;
    address += run.size_bytes;
    size_bytes -= run.size_bytes;
  }
  return true;
}

}  // namespace

// All ranks may keep spare chunks near one node, and are asked for them only when another finds no
// room at all: together they keep no more than a quarter of what there is. What counts by touch is
// not kept: a run that goes back comes again as zeros, and to clear it would touch all of it.
heap::ChunkSource client::daemon_chunks(std::uint32_t heap_number) {
  const std::uint64_t share = process.memory_chunk_count / (4 * process.rank_count);
  void* const context = reinterpret_cast<void*>(std::uint64_t{heap_number});
  return {take_chunks, give_chunks, claim_chunk, context,
          counts_by_touch(heap_number) ? 0 : std::min(share, heap::spare_chunks_max)};
}

// Ends with the first few that are not as many as there can be, and does not wait for none: others
// may be freeing more at this moment, and each look at a chunk takes its descriptors away from
// those who do. The daemon orders it again.
void client::take_back_freed() {
  std::uint64_t taken = 0;
  do {
    const HeapLocked locked;
    taken = take_some();
  } while (taken == taken_at_once);
}

// Chunks are returned when the lock is given up. So the daemon hears that there was nothing left to
// take, which it takes for the end, under a lock of its own.
void client::give_all_unused() {
  std::uint64_t taken = 0;
  do {
    {
      const HeapLocked locked;
      take_freed();
      give_spare();
    }
    const HeapLocked locked;
    taken = take_some(true);
  } while (taken > 0);
}

void* client::zeroed_pages(std::size_t size_bytes) {
  return allocate_or_refuse(
      {.size_bytes = size_bytes, .alignment_bytes = page_bytes, .clear = true});
}

void* client::sparse_pages(std::size_t size_bytes) {
  return allocate_or_refuse({.size_bytes = size_bytes,
                             .alignment_bytes = chunk_bytes,
                             .clear = true,
                             .heap_number = sparse_heap});
}

void* client::runtime_block(std::size_t size_bytes) {
  return allocate_or_refuse(
      {.size_bytes = size_bytes, .clear = true, .heap_number = runtime_heap});
}

// The heap keeps the chunk of the last block that was freed.
Status client::prepare_runtime_heap() {
  const auto block = allocate({.size_bytes = 1, .heap_number = runtime_heap});
  if (!block) return tl::unexpected<Error>(block.error());
  gallocy_free(*block);
  return {};
}

void* gallocy_malloc(size_t size_bytes) { return allocate_or_refuse({.size_bytes = size_bytes}); }

void* gallocy_calloc(size_t count, size_t size_bytes) {
  return allocate_or_refuse({.count = count, .size_bytes = size_bytes, .clear = true});
}

void* gallocy_malloc_on(int node, size_t size_bytes) {
  if (node >= 0 && node < static_cast<int>(max_node_count))
    return allocate_or_refuse({.size_bytes = size_bytes,
                               .heap_number = heap_for(static_cast<std::uint32_t>(node))});
  errno = report(Error{EINVAL, Sentence("the job has no node ", node)});
  return nullptr;
}

void* gallocy_memalign(size_t alignment_bytes, size_t size_bytes) {
  return aligned_or_refuse(alignment_bytes, size_bytes);
}

void* gallocy_aligned_alloc(size_t alignment_bytes, size_t size_bytes) {
  return aligned_or_refuse(alignment_bytes, size_bytes);
}

int gallocy_posix_memalign(void** block, size_t alignment_bytes, size_t size_bytes) {
  const ErrnoKeeper keeper;
  if (block == nullptr) return report(Error{EINVAL, Sentence("no place for the block's address")});
  if (alignment_bytes % sizeof(void*) != 0)
    return report(Error{EINVAL, Sentence("an alignment is a multiple of ", sizeof(void*), ", not ",
                                         alignment_bytes)});
  if (auto status = check_alignment(alignment_bytes); !status) return report(status);
  const auto made = allocate({1, size_bytes, alignment_bytes, false, own_heap});
  if (!made) return report(made.error());
  *block = *made;
  return 0;
}

void* gallocy_realloc(void* block, size_t size_bytes) {
  return gallocy_reallocarray(block, 1, size_bytes);
}

void* gallocy_reallocarray(void* block, size_t count, size_t size_bytes) {
  if (block == nullptr) return allocate_or_refuse({.count = count, .size_bytes = size_bytes});
  const int saved_errno = errno;
  std::size_t all_bytes = 0;
  if (!require_member() || __builtin_mul_overflow(count, size_bytes, &all_bytes))
    return allocate_or_refuse({.count = count, .size_bytes = size_bytes});
  const Described known = describe(block, "gallocy_realloc");
  if (resize_in_place(block, known, all_bytes)) {
    errno = saved_errno;
    return block;
  }
  void* moved = allocate_or_refuse({.count = count, .size_bytes = size_bytes});
  if (moved == nullptr && all_bytes <= known.size_bytes) {
    errno = saved_errno;
    return block;
  }
  if (moved == nullptr) return nullptr;
  ::memcpy(moved, block, std::min(known.size_bytes, all_bytes));
  free_block(block, known.owner, known.size_bytes);
  errno = saved_errno;
  return moved;
}

size_t gallocy_malloc_usable_size(void* block) {
  if (block == nullptr) return 0;
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) return report(status), 0;
  return describe(block, "gallocy_malloc_usable_size").size_bytes;
}

int gallocy_home_of(const void* pointer) {
  const int saved_errno = errno;
  const std::uint64_t own_address = own_address_of(heap::address_of(pointer));
  Status status = require_member();
  if (status && !in_region(reinterpret_cast<void*>(own_address), 1))
    status = fail(EINVAL, Hex{heap::address_of(pointer)}, " is not gallocy memory");
  if (!status) {
    errno = report(status);
    return -1;
  }
  const ipc::Reply reply = process.ring.call(ipc::Operation::home_of, own_address);
  errno = reply.status == 0 ? saved_errno
                            : report(Error{reply.status, Sentence(Hex{heap::address_of(pointer)},
                                                                  " was never handed out")});
  return reply.status == 0 ? static_cast<int>(reply.values[0]) : -1;
}

void gallocy_free(void* block) {
  if (block == nullptr) return;
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) {
    report(status);  // a fork child's copy of a clean-up: harmless
    return;
  }
  const Described known = describe(block, "gallocy_free");
  free_block(block, known.owner, known.size_bytes);
}

int gallocy_prefetch(const void* pointer, size_t size_bytes) {
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) return report(status);
  if (size_bytes == 0 || prefetch(heap::address_of(pointer), size_bytes)) return 0;
  return report(Error{EINVAL, Sentence("gallocy_prefetch of ", size_bytes, " bytes at ",
                                       Hex{heap::address_of(pointer)},
                                       ": not all of it is gallocy memory")});
}
