// The one address from which all ranks find what the job shares by name. The coordinator keeps
// the first that is proposed.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class Root {
 public:
  Root(const Config& config, Outbox& outbox) : config_(config), outbox_(outbox) {}

  void on_call(CallTag tag, const RootRequest& call) {
    const Transaction transaction = outbox_.new_transaction();
    calls_.emplace(transaction.counter, tag);
    outbox_.send(config_.nodes.lowest(), transaction, call);
  }

  // False: the peer may not say that.
  bool on_request(NodeId from, Transaction transaction, const RootRequest& request) {
    if (config_.self != config_.nodes.lowest()) return false;
    if (address_ == 0) address_ = request.address;
    outbox_.send(from, transaction, RootReply{address_});
    return true;
  }
  bool on_reply(NodeId from, Transaction transaction, const RootReply& reply) {
    const auto found = calls_.find(transaction.counter);
    if (from != config_.nodes.lowest() || found == calls_.end()) return false;
    outbox_.act(Reply{found->second, 0, {reply.address}});
    calls_.erase(found);
    return true;
  }

 private:
  const Config& config_;
  Outbox& outbox_;
  std::uint64_t address_ = 0;  // at the coordinator
  std::unordered_map<std::uint64_t, CallTag> calls_;  // by transaction counter
};

}  // namespace gallocy::core
