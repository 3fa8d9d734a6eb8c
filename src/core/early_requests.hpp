// Requests for pages of chunks that are being handed out to this node. The coordinator grants
// chunks to a node and tells another, who asks for their home, of it: the other's request may be
// here before the grant, and waits for it here.
#pragma once

#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/message.hpp"

namespace gallocy::core {

struct EarlyRequest {
  NodeId from = no_node;
  Transaction transaction;
  PageRequest request;
};

class EarlyRequests {
 public:
  explicit EarlyRequests(const Config& config) : config_(config) {}

  // Both return false when the peer may not say that. A node has one request per page under way,
  // which others join, and `max_outstanding` per home besides the few that were its oldest when
  // they were made. None can be over before the grant is here.
  bool keep(NodeId from, Transaction transaction, const PageRequest& request);
  // Follows its request on the same connection, so that one is here too.
  bool hasten(NodeId from, Transaction transaction, const Hasten& hasten);

  std::vector<EarlyRequest> take() { return std::exchange(requests_, {}); }

 private:
  static constexpr std::uint32_t most_of_the_oldest = 256;

  const Config& config_;
  std::vector<EarlyRequest> requests_;  // in the order in which they came
};

}  // namespace gallocy::core
