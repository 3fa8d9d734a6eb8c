// News from the jobs' threads, on their way to the control thread.
#pragma once

#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "daemon/job.hpp"
#include "net/ring.hpp"

namespace gallocy::daemon {

struct JobEnded {
  std::uint64_t job = 0;
};

struct ConnectionBroken {
  std::uint64_t job = 0;
  NodeId peer{};
  wire::ConnectionKind kind{};
};

struct RankArrived {
  std::uint64_t job = 0;
  ipc::RankAttached attached;
  RankDescriptors descriptors;
};

// All of them name their job in a member `job`.
using JobMail = std::variant<RankArrived, ipc::RankGone,
                             std::shared_ptr<const ipc::JobStatistics>, ipc::JobFailed, JobEnded,
                             ConnectionBroken>;

// The ring must outlive the jobs. Mail of a job that was destroyed meanwhile may still be taken.
class Mailbox final : public JobEvents {
 public:
  explicit Mailbox(net::Ring& ring) : ring_(ring) {}

  void rank_attached(const ipc::RankAttached& rank, RankDescriptors descriptors) override {
    post(RankArrived{rank.job, rank, std::move(descriptors)});
  }
  void rank_gone(JobId job, std::uint32_t rank) override;
  void statistics(const ipc::JobStatistics& statistics) override {
    post(std::make_shared<const ipc::JobStatistics>(statistics));
  }
  void connection_broken(JobId job, NodeId peer, wire::ConnectionKind kind) override {
    post(ConnectionBroken{raw(job), peer, kind});
  }
  void job_failed(JobId job, const Sentence& sentence) override;
  void job_ended(JobId job) override { post(JobEnded{raw(job)}); }

  std::vector<JobMail> take();

 private:
  void post(JobMail mail);

  net::Ring& ring_;
  std::mutex mutex_;
  std::vector<JobMail> mails_;
};

ipc::JobFailed failure_of(JobId job, const Sentence& sentence);

}  // namespace gallocy::daemon
