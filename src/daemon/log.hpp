// The daemon's log: lines put into a bounded buffer by any thread and written to descriptors
// of the daemon's own by a thread of its own, so that no reactor ever waits for whoever reads
// the log. A full buffer drops lines and says how many.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace gallocy::daemon {

class Log {
 public:
  // Writes to each of `fds`, which stay the caller's. `name` begins each line ("gallocyd[2]").
  Log(std::vector<int> fds, std::string name);
  ~Log();  // writes what is left, at most 1 s
  Status start();  // nothing is written before
  void line(std::string_view text);  // one line, without the newline; any thread

 private:
  void run();
  const std::vector<int> fds_;
  std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string buffer_;
  std::uint64_t dropped_count_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gallocy::daemon
