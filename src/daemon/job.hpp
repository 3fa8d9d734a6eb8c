// One job on this node: a reactor thread that owns everything of it (core, pages, clients,
// connections) and shares nothing with other jobs. The control thread starts it, hands it
// sockets, and hears of it through JobEvents.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "core/config.hpp"
#include "ipc/protocol.hpp"
#include "net/connection.hpp"
#include "wire/link.hpp"

namespace gallocy::daemon {

class Log;

struct JobSettings {
  JobId job{};
  uid_t owner = 0;                       // of the launcher; clients of another uid are refused
  std::uint64_t region_size_bytes = 0;   // a multiple of chunk_bytes
  NodeId self{};
  std::vector<NodeId> rank_nodes;        // node of each rank, by rank
  NodeSet nodes;                         // all nodes of the job
  std::vector<std::uint16_t> rank_cpus;  // CPUs of the rank's node, by rank
  PlacementPolicy placement = PlacementPolicy::spread;
  bool every_rank_runs_main = false;
  std::uint64_t memory_bytes = 0;        // that it may use on this node
  std::uint64_t peer_timeout_us = 0;     // for which a lost connection may be away
  std::string fault_stamps_folder;       // daemon/fault_stamps.hpp; empty: none

  bool runs_main(std::uint32_t rank) const { return rank == 0 || every_rank_runs_main; }
};

struct RankDescriptors {  // duplicates, in the order of ipc::RankAttached
  UniqueFd userfault, pages;
};

// Called on the job's thread. Must not block and must not call back into the Job.
class JobEvents {
 public:
  virtual ~JobEvents() = default;
  virtual void rank_attached(const ipc::RankAttached& rank, RankDescriptors descriptors) = 0;
  virtual void rank_gone(JobId job, std::uint32_t rank) = 0;
  virtual void statistics(const ipc::JobStatistics& statistics) = 0;
  // Bring another stream for that connection, if this node is the one who dials.
  virtual void connection_broken(JobId job, NodeId peer, wire::ConnectionKind kind) = 0;
  // The job can't go on; its clients have been told. Once per job.
  virtual void job_failed(JobId job, const Sentence& sentence) = 0;
  // After end(): the last client has gone (at once if there is none). Once per job.
  virtual void job_ended(JobId job) = 0;
};

// All member functions are called from the control thread and return at once: they leave a
// mail for the job's thread.
class Job {
 public:
  // Makes the memory (memfds) and starts the thread; its failure to set up arrives as
  // job_failed. Errors: ENOMEM and what memfd_create gives.
  static Result<std::unique_ptr<Job>> start(const JobSettings& settings, JobEvents& events,
                                            Log& log);
  ~Job();  // stops the thread and joins it; clients lose their socket, peers their connection

  // A connection whose hello named this job, that peer and what it is for: job_control or job_bulk.
  // After the first one: the stream on which that goes on.
  void add_peer(NodeId peer, wire::ConnectionKind kind, net::Detached connection);
  // A client whose hello was read and whose uid and rank were checked; the job sends the
  // welcome, takes the userfaultfd and, after start_ranks(), sends ready.
  void add_client(UniqueFd socket, const ipc::ClientHello& hello);
  void start_ranks();
  void request_statistics();
  void end(std::int32_t status);
  // Of the page of gallocy/stats.h; valid as long as this object.
  int statistics_fd() const;
  // Page states and recent protocol events go to the log.
  void dump();

 private:
  class Thread;
  explicit Job(std::unique_ptr<Thread> thread);
  std::unique_ptr<Thread> thread_;
};

}  // namespace gallocy::daemon
