// Files that the program has mapped. Their bytes are in the region, where all nodes see them, and
// rank 0 has each file mapped by itself, where the kernel keeps it: from there come the bytes, and
// there go those that the program has changed in a shared map, when it asks for it (msync), when
// it unmaps it, and when it ends. Which those are is told by a *twin*, the bytes as they came from
// the file or went there last: what else has become of the file meanwhile is not overwritten.
//
// All of this runs in rank 0's process, whoever asks. REQUIRES, unless said: the table's lock.
#pragma once

#include "preload/mapping_table.hpp"

namespace gallocy::preload {

struct FileMap {
  std::uint64_t address = 0;  // 0: it is nothing but zeros (/dev/zero)
  dev_t device = 0;
  ino_t inode = 0;
};

// As mmap of the kernel, which checks all arguments, at an address that it chooses. 0 or errno.
int open_file_map(FileMap& map, std::size_t size_bytes, int protection, int flags, int fd,
                  off_t offset);
void close_file_map(std::uint64_t address, std::size_t size_bytes);

// Another size, maybe elsewhere, for mremap. 0: errno says why.
std::uint64_t resize_file_map(std::uint64_t address, std::size_t old_bytes, std::size_t new_bytes);

// The file's bytes to the mapping's pages; zeros behind the file's end.
void read_file(const Mapping& mapping);

// The same to pages of zeros, and what is stored from then on may be written back. 0 or errno.
int read_new_file(Mapping& mapping, bool is_written_back);

// REQUIRES: the mapping is one of a file, and has its bytes. 0, or EACCES as mprotect has it if the
// file was not opened for writing. From then on changes are written back.
int make_writable(Mapping& mapping);

// What has been changed goes to the file, with MS_SYNC to the disk. 0 or errno, of which a sentence
// has told. A mapping without a twin has no changes.
int write_back(const Mapping& mapping, int flags);

// No file and no twin any more. REQUIRES: what was changed has been written back, or need not be.
void forget_file(Mapping& mapping);

// Of all maps, when the program ends. Takes the lock. In rank 0.
void write_all_back();

// Of those of one file.
void write_back_maps_of(dev_t device, ino_t inode);

}  // namespace gallocy::preload
