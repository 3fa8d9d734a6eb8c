// A process of a job that holds, for each rank, one more duplicate of its userfaultfd and of its
// pages. When the last userfaultfd of a process closes, its absent pages read as zeros, without a
// word. So neither a program that closes what it did not open nor the death of its daemon may
// close the last one. The keeper's goes with the rank's process, and the keeper with the last of
// them, whatever becomes of gallocy-run. Without it the job ends: a page that reads as zeros must
// not be what tells of the next death.
#pragma once

#include <span>

#include "ipc/protocol.hpp"
#include "run/child.hpp"

namespace gallocy::run {

class Keeper {
 public:
  static Try<Keeper> start(const sigset_t& signal_mask);

  // `fds`: those of ipc::RankAttached. False: the keeper has gone.
  bool keep(const Child& rank, std::span<const UniqueFd, ipc::rank_fd_count> fds);
  // There are no more ranks to come.
  void close() { socket_.reset(); }
  Child& child() { return child_; }

 private:
  Keeper(UniqueFd socket, Child child) : socket_(std::move(socket)), child_(std::move(child)) {}
  UniqueFd socket_;
  Child child_;
};

// Whether this process was started as a keeper.
bool is_keeper(int argc, char** argv);

// Until the other end of standard input is closed, and all ranks have ended.
int keep_descriptors();

}  // namespace gallocy::run
