// Jobs without pages: they record what the control plane asks, and say what the test wants.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "daemon/job.hpp"

namespace gallocy::daemon::test {

struct FakeRecord {
  JobSettings settings;
  JobEvents* events = nullptr;
  std::set<unsigned> peers;
  std::vector<net::Detached> connections;
  std::vector<wire::ConnectionKind> kinds;  // of them
  std::vector<UniqueFd> clients;
  std::set<unsigned> ranks;
  bool started = false;
  bool destroyed = false;
  std::optional<std::int32_t> end_status;
};

// All jobs of all daemons in this process.
class FakeJobs {
 public:
  static FakeJobs& all();

  // Waits, at most 15 s, until the job at that node is as the predicate wants it.
  template <class Predicate>
  bool wait(std::uint64_t job, unsigned node, Predicate predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(15), [&] {
      const auto at = records_.find({job, node});
      return at != records_.end() && predicate(at->second);
    });
  }
  template <class Change>
  void change(JobId job, NodeId node, Change change) {
    {
      const std::lock_guard lock(mutex_);
      change(records_[{raw(job), raw(node)}]);
    }
    changed_.notify_all();
  }
  JobEvents& events(std::uint64_t job, unsigned node) {
    const std::lock_guard lock(mutex_);
    return *records_.at({job, node}).events;
  }

  std::atomic<bool> refuse_start = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<std::uint64_t, unsigned>, FakeRecord> records_;
};

}  // namespace gallocy::daemon::test
