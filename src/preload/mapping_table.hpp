// What the program has mapped: which pages of the region, and what lies behind them. One table for
// the job; a mapping is changed by whoever holds its lock, on any node.
//
// Mappings never overlap. What has been unmapped of a block stays in the table, as a mapping that
// nobody uses, until all of the block is: then both go.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "ipc/no_cancellation.hpp"
#include "preload/pages.hpp"

namespace gallocy::preload {

struct Mapping {
  std::uint64_t begin, end;  // whole pages
  // Of gallocy_malloc, in which the pages lie; both 0: memory that was something else before.
  std::uint64_t block_begin, block_end;
  std::uint32_t use_count;  // 0: unmapped; more than 1: a file that was mapped again
  bool is_shared;
  // Of a file; else all 0. The addresses mean something in rank 0 only: file_maps.hpp.
  std::uint64_t file_address, twin_address;
  dev_t device;
  ino_t inode;
  off_t offset;
  Mapping* next_spent;  // of those whose blocks are freed once the lock is given up

  bool is_file() const { return file_address != 0; }
  std::uint64_t size_bytes() const { return end - begin; }
};

// Private memory, of no file. The block: empty, if the memory was something else before.
Mapping of_block(Range range, Range block, std::uint32_t use_count);

// What of it lies there.
Mapping part_of(const Mapping& mapping, std::uint64_t begin, std::uint64_t end);

struct MappingTable {  // in the region, made of zeros
  pthread_mutex_t lock;
  void* root;
};

// Rank 0's. Before any thread is started in this rank.
void set_mapping_table(MappingTable& table);

// Of everything below. A thread of the runtime gets no lock: there is one only when all of the
// program's have ended. Blocks are freed after it: that may take a while.
class MappingsLock {
 public:
  MappingsLock();
  ~MappingsLock();
  MappingsLock(const MappingsLock&) = delete;
  MappingsLock& operator=(const MappingsLock&) = delete;

 private:
  ipc::NoCancellation guard_;
};

// The first that has pages there; nullptr: none has.
Mapping* first_mapping(std::uint64_t begin, std::uint64_t end);

// REQUIRES: no mapping overlaps it. Ends the job if there is no room for the entry.
Mapping& add_mapping(const Mapping& mapping);

// From then on no mapping has pages on both sides of the address.
void split_mapping(std::uint64_t at);

// Nobody uses it any more, and it is of no file. Frees the block if that was its last use.
void retire_mapping(Mapping& mapping);

// Calls visit(mapping, context) for each; it must not change the table.
void each_mapping(void (*visit)(Mapping& mapping, void* context), void* context);

}  // namespace gallocy::preload
