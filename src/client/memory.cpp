// gallocy_malloc, calloc, free: the process's heap under its lock.
#include "client/memory.hpp"

#include <stdlib.h>
#include <string.h>

#include "client/process.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

std::uint64_t take_chunks(void*, std::uint64_t chunk_count) {
  if (chunk_count > process.region_size_bytes / chunk_bytes) return 0;
  const ipc::Reply reply = process.ring.call(ipc::Operation::chunks, chunk_count);
  const std::uint64_t address = reply.values[0];
  const bool usable = address % chunk_bytes == 0 &&
                      in_region(reinterpret_cast<void*>(address), chunk_count * chunk_bytes);
  return reply.status == 0 && usable ? address : 0;
}

[[noreturn]] void end_for(const void* pointer, const char* what) {
  say(Sentence("gallocy: rank ", process.rank, " ends: ", what, " at ",
               Hex{heap::address_of(pointer)}, "\n"));
  ::abort();
}

// REQUIRES: the heap lock.
void free_own(void* block) {
  switch (process.heap.free_local(block)) {
    case heap::FreeOutcome::freed: return;
    case heap::FreeOutcome::freed_already: end_for(block, "gallocy_free of a block freed before,");
    case heap::FreeOutcome::foreign:
    case heap::FreeOutcome::not_a_block: break;
  }
  end_for(block, "gallocy_free of what is no block of gallocy_malloc,");
}

// Takes back what other ranks freed of this heap's. REQUIRES: the heap lock.
void take_freed() {
  constexpr std::uint64_t batch = ipc::value_count - 1;
  std::uint64_t count = batch;
  while (count == batch && process.ring.freed_pending()) {
    const ipc::Reply reply = process.ring.call(ipc::Operation::take_freed);
    count = reply.status != 0 || reply.values[0] > batch ? 0 : reply.values[0];
    for (std::uint64_t i = 0; i < count; ++i) {
      auto* block = reinterpret_cast<void*>(reply.values[1 + i]);
      if (!in_region(block, 1)) end_for(block, "another rank freed what is no block,");
      free_own(block);
    }
  }
}

heap::Heap::Block allocate(std::size_t size_bytes) {
  const Locked locked{process.heap_lock};
  if (process.ring.freed_pending()) take_freed();
  return process.heap.allocate_block(size_bytes);
}

void* refuse(std::size_t count, std::size_t size_bytes) {
  errno = report(Error{ENOMEM, Sentence("no room for ", count, " x ", size_bytes,
                                        " bytes in the job's region of ",
                                        process.region_size_bytes >> 20, " MiB")});
  return nullptr;
}

// Clears the block after the lock has been given up: others need not wait for that.
void* allocate_or_refuse(std::size_t count, std::size_t size_bytes, bool clear) {
  const int saved_errno = errno;
  if (auto status = require_member(); !status) {
    errno = report(status);
    return nullptr;
  }
  std::size_t all_bytes = 0;
  if (__builtin_mul_overflow(count, size_bytes, &all_bytes)) return refuse(count, size_bytes);
  const heap::Heap::Block block = allocate(all_bytes);
  if (block.address == nullptr) return refuse(count, size_bytes);
  if (clear && !block.zeroed) ::memset(block.address, 0, block.size_bytes);
  errno = saved_errno;
  return block.address;
}

}  // namespace

heap::ChunkSource client::daemon_chunks() { return {take_chunks, nullptr}; }

void* gallocy_malloc(size_t size_bytes) { return allocate_or_refuse(1, size_bytes, false); }

void* gallocy_calloc(size_t count, size_t size_bytes) {
  return allocate_or_refuse(count, size_bytes, true);
}

void gallocy_free(void* block) {
  if (block == nullptr) return;
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) {
    report(status);  // a fork child's copy of a clean-up: harmless
    return;
  }
  if (!in_region(block, 1)) end_for(block, "gallocy_free of a pointer outside gallocy memory,");
  // Read before the lock is taken: the page may have to come from another node.
  heap::Owner owner;
  if (!heap::owner_of(block, owner)) end_for(block, "gallocy_free of what is no block,");
  if (owner == heap::Owner{process.rank, process.node}) {
    const Locked locked{process.heap_lock};
    free_own(block);
    return;
  }
  const ipc::Reply reply = process.ring.call(ipc::Operation::free_remote, heap::address_of(block));
  if (reply.status != 0) end_for(block, "the daemon knows no rank to free the block");
}

int gallocy_prefetch(const void* pointer, size_t size_bytes) {
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) return report(status);
  if (size_bytes == 0) return 0;
  const std::uint64_t address = heap::address_of(pointer);
  if (in_region(pointer, size_bytes) &&
      process.ring.call(ipc::Operation::prefetch, address, size_bytes).status == 0)
    return 0;
  return report(Error{EINVAL, Sentence("gallocy_prefetch of ", size_bytes, " bytes at ",
                                       Hex{address},
                                       ": not all of it is gallocy memory")});
}
