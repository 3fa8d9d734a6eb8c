// What the daemons counted, as a person or a program reads it.
#pragma once

#include <string>
#include <vector>

#include "ipc/protocol.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

struct RankFigures {
  ipc::RankStatistics counted;
  // Of the rank's daemon. Where several ranks share a daemon the first of them has it all, so
  // that sums over ranks are right.
  std::uint64_t peer_bytes_in = 0, peer_bytes_out = 0, pages_evicted = 0,
                connections_resumed = 0;
};

struct Figures {
  std::vector<RankFigures> ranks;  // sorted by rank
  Histogram latency_us;            // of the faults of all
};

// A daemon's counts are taken as they are, but no more than it may have.
Figures collect(const std::vector<const ipc::JobStatistics*>& daemons);

// "18,204 faults (12,000 local, ...), p50 9 us, p99 210 us; peer bytes 1,234 in, ...; threads ..."
std::string line_of(const Figures& figures);
std::string json_of(const Figures& figures);

// 1234567 -> "1,234,567"
std::string grouped(std::uint64_t number);

// Asked before a job runs, so that its figures are not lost at its end: can that file be written?
// Leaves nothing behind.
Try<void> check_writable(const std::string& path);

// Whole or not at all: a temporary file beside it, then rename. What is no file, as a pipe or
// a terminal, is written to as it is.
Try<void> write_file(const std::string& path, const std::string& text);

}  // namespace gallocy::run
