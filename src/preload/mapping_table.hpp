// What the program has mapped: which pages of the region, and what lies behind them. Each rank has
// a table for the blocks that it has made, so that threads which map and unmap memory of their own
// do not wait for other nodes; but any thread may change any mapping that it has locked.
//
// Mappings never overlap. What has been unmapped of a block stays in the table, as a mapping that
// nobody uses, until all of the block is: then both go.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "ipc/no_cancellation.hpp"
#include "preload/blocked_signals.hpp"
#include "preload/range_tree.hpp"

namespace gallocy::preload {

struct Mapping : Range {
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
};

// Private memory, of no file. The block: empty, if the memory was something else before.
Mapping of_block(Range range, Range block, std::uint32_t use_count);

// What of it lies there.
Mapping part_of(const Mapping& mapping, std::uint64_t begin, std::uint64_t end);

struct MappingTable {  // in the region, made of zeros
  pthread_mutex_t lock;
  RangeTree mappings;
  RangeTree protections;  // protections.hpp
};

inline constexpr unsigned mapping_table_count_max = 64;  // ranks

struct MappingTables {
  MappingTable* of_rank[mapping_table_count_max];
  // Whose table has what is mapped in a chunk: its blocks are all one rank's. What is in no block
  // is in rank 0's.
  std::uint8_t* rank_of_chunk;
};

// Rank 0's, which gets its directory first; each rank adds its own table. Before any thread is
// started in this rank. False: no room.
bool make_mapping_directory(MappingTables& tables);
bool add_mapping_table(MappingTables& tables);

// Tables, a bit each.
std::uint64_t own_mapping_table();
std::uint64_t all_mapping_tables();
std::uint64_t mapping_tables_of(Range range);

// The table of a page, and up to where, of a range that begins there, it is that of all.
MappingTable& mapping_table_at(std::uint64_t address);
std::uint64_t end_of_mapping_table(Range range);

// This rank has made that block. Before its mapping is added.
void note_block(Range block);

// Of those tables, for everything below. A thread of the runtime gets no lock: there is one only
// when all of the program's have ended. Blocks are freed after it: that may take a while. Until
// then no handler runs in the thread: it may want to change mappings, too.
class MappingsLock {
 public:
  explicit MappingsLock(std::uint64_t tables);
  ~MappingsLock();
  MappingsLock(const MappingsLock&) = delete;
  MappingsLock& operator=(const MappingsLock&) = delete;

 private:
  ipc::NoCancellation guard_;
  BlockedSignals blocked_;
  std::uint64_t tables_;
};

// The first that has pages there; nullptr: none has.
Mapping* first_mapping(std::uint64_t begin, std::uint64_t end);

// REQUIRES: no mapping overlaps it. Ends the job if there is no room for the entry.
Mapping& add_mapping(const Mapping& mapping);

// From then on no mapping has pages on both sides of the address.
void split_mapping(std::uint64_t at);

// Nobody uses it any more, and it is of no file. Frees the block if that was its last use.
void retire_mapping(Mapping& mapping);

// Calls visit(mapping, context) for each; it must not change the tables. REQUIRES: all are locked.
void each_mapping(void (*visit)(Mapping& mapping, void* context), void* context);

}  // namespace gallocy::preload
