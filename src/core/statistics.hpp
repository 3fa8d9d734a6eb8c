// What each local client did, and how long its threads waited, for --stat.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/histogram.hpp"
#include "base/ids.hpp"

namespace gallocy::core {

// How a fault ended.
enum class Resolution : std::uint8_t {
  local,         // the node had the page
  first_touch,   // a page of zeros
  remote_read,   // bytes of another node, to read
  remote_write,  // bytes of another node, to write
  upgrade,       // the own copy became writable
  poisoned,
};
inline constexpr unsigned resolution_count = 6;

struct ClientStatistics {
  std::uint64_t faults_seen = 0;
  std::array<std::uint64_t, resolution_count> faults{};  // ended, by Resolution
  std::uint64_t threads_run = 0;  // of the program
};

class Statistics {
 public:
  ClientStatistics& of(ClientId client) { return clients_[client]; }
  // `since_us`: when the event of the fault was read. It ends when the actions of this step have
  // been carried out.
  void resolved(ClientId client, Resolution how, std::uint64_t since_us) {
    ++clients_[client].faults[static_cast<unsigned>(how)];
    ending_since_us_.push_back(since_us);
  }
  void carried_out(std::uint64_t now_us) {
    for (const std::uint64_t since_us : ending_since_us_)
      latency_us_.add(now_us - std::min(now_us, since_us));
    ending_since_us_.clear();
  }
  const std::unordered_map<ClientId, ClientStatistics>& clients() const { return clients_; }
  // Of all faults that have ended, of whatever kind.
  const Histogram& latency_us() const { return latency_us_; }

 private:
  std::unordered_map<ClientId, ClientStatistics> clients_;
  Histogram latency_us_;
  std::vector<std::uint64_t> ending_since_us_;  // in this step
};

}  // namespace gallocy::core
