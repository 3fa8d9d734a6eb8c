#include "fake_job.hpp"

#include <sys/mman.h>
#include <sys/socket.h>

namespace gallocy::daemon {

using test::FakeJobs;
using test::FakeRecord;

class Job::Thread {
 public:
  Thread(const JobSettings& settings, JobEvents& events) : settings_(settings), events_(events) {
    change([&](FakeRecord& record) {
      record.settings = settings;
      record.events = &events;
    });
  }
  ~Thread() {
    change([](FakeRecord& record) {
      record.destroyed = true;
      record.clients.clear();
      record.connections.clear();
    });
  }
  template <class Change>
  void change(Change what) {
    FakeJobs::all().change(settings_.job, settings_.self, what);
  }

  const JobSettings settings_;
  JobEvents& events_;
};

Result<std::unique_ptr<Job>> Job::start(const JobSettings& settings, JobEvents& events, Log&) {
  if (FakeJobs::all().refuse_start) return fail(ENOMEM, "the fake job does not start");
  return std::unique_ptr<Job>(new Job(std::make_unique<Thread>(settings, events)));
}

int Job::statistics_fd() const { return -1; }
Job::Job(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}
Job::~Job() = default;

// As a real job does: what the control thread had queued (the answer to a hello) leaves first.
void Job::add_peer(NodeId peer, wire::ConnectionKind kind, net::Detached connection) {
  const auto& unsent = connection.unsent;
  static_cast<void>(::send(connection.fd.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL));
  connection.unsent.clear();
  thread_->change([&](FakeRecord& record) {
    record.peers.insert(raw(peer));
    record.connections.push_back(std::move(connection));
    record.kinds.push_back(kind);
  });
}

void Job::add_client(UniqueFd socket, const ipc::ClientHello& hello) {
  thread_->change([&](FakeRecord& record) {
    record.ranks.insert(hello.rank);
    record.clients.push_back(std::move(socket));
  });
  ipc::RankAttached attached;
  attached.job = hello.job;
  attached.rank = hello.rank;
  thread_->events_.rank_attached(attached, {UniqueFd{::memfd_create("userfault", MFD_CLOEXEC)},
                                            UniqueFd{::memfd_create("pages", MFD_CLOEXEC)}});
}

void Job::start_ranks() {
  thread_->change([](FakeRecord& record) { record.started = true; });
}

void Job::request_statistics() {
  ipc::JobStatistics statistics;
  statistics.job = raw(thread_->settings_.job);
  statistics.node = raw(thread_->settings_.self);
  statistics.peer_bytes_in = 4711;
  thread_->events_.statistics(statistics);
}

void Job::end(std::int32_t status) {
  thread_->change([&](FakeRecord& record) { record.end_status = status; });
  thread_->events_.job_ended(thread_->settings_.job);
}

void Job::dump() {}

namespace test {
FakeJobs& FakeJobs::all() {
  static FakeJobs jobs;
  return jobs;
}
}  // namespace test

}  // namespace gallocy::daemon
