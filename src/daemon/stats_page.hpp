// The page of include/gallocy/stats.h of one job: written by the job's thread, mapped by whoever
// asks the control thread for its descriptor, and writable here only.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "gallocy/stats.h"
#include "ipc/protocol.hpp"

namespace gallocy::daemon {

class StatsPage {
 public:
  static Result<StatsPage> create(std::uint64_t job, std::uint32_t owner_uid);
  StatsPage(StatsPage&& other) noexcept;
  StatsPage& operator=(StatsPage&& other) = delete;
  ~StatsPage();

  void write(const ipc::JobStatistics& statistics, std::uint64_t now_us);
  int fd() const { return fd_.get(); }  // stays valid and the same; any thread

 private:
  StatsPage(UniqueFd fd, gallocy_stats* page) : fd_(std::move(fd)), page_(page) {}

  UniqueFd fd_;
  gallocy_stats* page_;
};

}  // namespace gallocy::daemon
