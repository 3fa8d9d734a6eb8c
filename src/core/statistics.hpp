// What each local client did, for --stat.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

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
  std::uint64_t threads_run = 0;
};

class Statistics {
 public:
  ClientStatistics& of(ClientId client) { return clients_[client]; }
  void resolved(ClientId client, Resolution how) {
    ++clients_[client].faults[static_cast<unsigned>(how)];
  }
  const std::unordered_map<ClientId, ClientStatistics>& clients() const { return clients_; }

 private:
  std::unordered_map<ClientId, ClientStatistics> clients_;
};

}  // namespace gallocy::core
